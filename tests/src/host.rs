//! What the host looks like, before a jail and after it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub use crate::alone::{Alone, alone};
use crate::process::Process;
use crate::wait;

/// Mount table, cgroups, our descendants, and the trees it was told to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    mounts: BTreeSet<String>,
    cgroups: BTreeSet<String>,
    processes: BTreeSet<Process>,
    files: BTreeSet<String>,
}

impl Snapshot {
    /// Takes one. From now on whatever loses its parent becomes a child of this test, so that nothing that a jail leaves
    /// behind gets out of sight. `trees` are watched by name, type, owner, mode, and the size and inode of files.
    ///
    /// # Panics
    ///
    /// If this process can't adopt orphans.
    #[must_use]
    pub fn take(trees: &[&Path]) -> Self {
        let own = rustix::process::getpid();
        rustix::process::set_child_subreaper(Some(own)).expect("adopt orphans");
        let mut files = BTreeSet::new();
        trees.iter().for_each(|tree| list(tree, &mut files));
        let mut cgroups = BTreeSet::new();
        directories(Path::new("/sys/fs/cgroup"), &mut cgroups);
        // Those of others come and go as they like.
        cgroups.retain(|cgroup| cgroup.contains("thinjail"));
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("read the mount table");
        Self {
            mounts: mounts.lines().map(String::from).collect(),
            cgroups,
            processes: Process::below(own.as_raw_nonzero().get()).into_iter().map(settled).collect(),
            files,
        }
    }

    /// What is here and was not, or was and is not: empty if nothing was left.
    #[must_use]
    pub fn differences(&self, after: &Self) -> Vec<String> {
        let mut out = Vec::new();
        differ("mount", &self.mounts, &after.mounts, &mut out);
        let made = after.cgroups.difference(&self.cgroups);
        out.extend(made.filter(|group| !in_use_by_others(group)).map(|group| format!("cgroup left: {group}")));
        differ("file", &self.files, &after.files, &mut out);
        // One that is gone is no matter: another test of this process may have run it.
        let left = after.processes.difference(&self.processes);
        out.extend(left.map(|process| format!("process left: {process:?}")));
        out
    }

    /// Fails the test unless the host is as it was. Processes that have been killed get a moment to be gone.
    ///
    /// # Panics
    ///
    /// If something was left; each is named.
    #[track_caller]
    pub fn assert_same_now(&self, trees: &[&Path]) {
        self.assert_same_within(std::time::Duration::from_secs(5), trees);
    }

    /// The same within this time, which FreeBSD needs where a connection is in TIME_WAIT.
    ///
    /// # Panics
    ///
    /// If something was left; each is named.
    #[track_caller]
    pub fn assert_same_within(&self, patience: std::time::Duration, trees: &[&Path]) {
        let mut found = Vec::new();
        let same = wait::poll(patience, || {
            found = self.differences(&Self::take(trees));
            found.is_empty().then_some(())
        });
        assert!(same.is_some(), "the host is not as it was:\n{}", found.join("\n"));
    }
}

/// The same process later is the same.
fn settled(process: Process) -> Process {
    Process { state: ' ', parent: 0, ..process }
}

fn differ(what: &str, before: &BTreeSet<String>, after: &BTreeSet<String>, out: &mut Vec<String>) {
    out.extend(before.difference(after).map(|gone| format!("{what} gone: {gone}")));
    out.extend(after.difference(before).map(|left| format!("{what} left: {left}")));
}

/// Every name below, with what the directory says of it.
fn list(path: &Path, into: &mut BTreeSet<String>) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    let size = if meta.is_dir() { 0 } else { meta.size() };
    into.insert(format!("{} {:o} {}:{} {size} #{}", path.display(), meta.mode(), meta.uid(), meta.gid(), meta.ino()));
    if meta.is_dir() {
        children(path).iter().for_each(|child| list(child, into));
    }
}

/// The host makes cgroups for its own processes all the time. One that a jail left holds nobody, or somebody of ours.
fn in_use_by_others(cgroup: &str) -> bool {
    let members = fs::read_to_string(format!("{cgroup}/cgroup.procs")).unwrap_or_default();
    let members: BTreeSet<i32> = members.lines().filter_map(|pid| pid.parse().ok()).collect();
    let own = rustix::process::getpid().as_raw_nonzero().get();
    !members.is_empty() && Process::below(own).iter().all(|process| !members.contains(&process.pid))
}

fn directories(path: &Path, into: &mut BTreeSet<String>) {
    for child in children(path).into_iter().filter(|child| child.is_dir() && !child.is_symlink()) {
        into.insert(child.display().to_string());
        directories(&child, into);
    }
}

fn children(path: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(path).map(|entries| entries.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}
