//! What a jail uses at this moment: memory, open files, ports.

use serde::Serialize;

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "freebsd")]
use freebsd as system;
#[cfg(target_os = "linux")]
use linux as system;

/// What it is. None is what this system, or this user, is not told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Usage {
    /// The name of the user that runs.
    pub user: Option<String>,
    /// Processes of the jail, its init not counted.
    pub processes: Option<usize>,
    /// Bytes of memory, those that several share divided among them.
    pub memory: Option<u64>,
    /// Descriptors that are open.
    pub files: Option<usize>,
    /// Where it listens: `80/tcp`, sorted.
    pub ports: Option<Vec<String>>,
}

/// Of the jail of this supervisor.
pub(crate) fn of(supervisor: i32, uid: Option<u32>) -> Usage {
    Usage { user: uid.and_then(user), ..system::of(supervisor) }
}

/// Where a process of the host and all below it listen. None where that is not told.
#[must_use]
pub fn listens(pid: i32) -> Option<Vec<String>> {
    system::listens(pid)
}

/// The name of a user, as passwd(5) has it.
fn user(uid: u32) -> Option<String> {
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    let name = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    };
    text.lines().find_map(name)
}
