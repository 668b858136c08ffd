//! File systems that hold no files but the kernel's own. Where one is mounted among files, the path says nothing of it.

use crate::facts::{Facts, Mounted};
use crate::path::HostPath;

/// Those that are dangerous even when read, first; then those that control the host when written.
pub(crate) const NAMES: [&str; 17] = [
    "proc",
    "devtmpfs",
    "devpts",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "efivarfs",
    "fusectl",
    "pstore",
    "resctrl",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
];

/// What a mount of `path` would bring in and must not, with the reason: a file system that `path` lies in, or one below it, since
/// all that is mounted below comes along.
pub(crate) fn refused<'f>(path: &HostPath, write: bool, facts: &'f Facts) -> Option<(&'f Mounted, &'static str)> {
    let comes = |mounted: &&Mounted| path.below(&mounted.at).is_some() || mounted.at.below(path).is_some();
    facts.mounts.iter().filter(comes).find_map(|mounted| Some((mounted, why(&mounted.file_system, write)?)))
}

fn why(file_system: &str, write: bool) -> Option<&'static str> {
    match file_system {
        // Through PID/root a process of the same user leads to the host's tree, and out of every read-only mount.
        "proc" => Some("it leads to the host's files through its processes, and has its switches"),
        "devtmpfs" | "devpts" => Some("it has the host's devices"),
        other if write && NAMES.contains(&other) => Some("who may write to it controls the host"),
        _ => None,
    }
}
