//! The name service of the running host, through getent(1) and id(1): what is not in a file is somewhere behind
//! nsswitch.conf(5), whose modules a static program can't load.

use std::process::{Command, Stdio};

/// Where those two are. The caller's own PATH is not asked: the answer decides who a daemon runs as.
const PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin:/run/current-system/sw/bin";

/// getpwnam(3), getpwuid(3): what passwd(5) would say.
pub(super) fn passwd(asked: &str) -> Option<Vec<u8>> {
    answer("getent", &["passwd", asked])
}

/// getgrnam(3), getgrgid(3): what group(5) would say.
pub(super) fn group(asked: &str) -> Option<Vec<u8>> {
    answer("getent", &["group", asked])
}

/// getgrouplist(3): all groups of a user, by number.
pub(super) fn groups_of(user: &str) -> Vec<u32> {
    let bytes = answer("id", &["-G", user]).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.split_whitespace().filter_map(|gid| gid.parse().ok()).collect()
}

/// What a command says, if it succeeds.
fn answer(command: &str, arguments: &[&str]) -> Option<Vec<u8>> {
    // A name that begins with a dash is a flag to them, and no user's.
    if arguments.iter().skip(1).any(|word| word.starts_with('-') || word.is_empty() || word.contains('\0')) {
        return None;
    }
    let mut command = Command::new(command);
    command.args(arguments).env_clear().env("PATH", PATH).stdin(Stdio::null()).stderr(Stdio::null());
    command.output().ok().filter(|output| output.status.success()).map(|output| output.stdout)
}
