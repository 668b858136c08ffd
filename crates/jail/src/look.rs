//! Which file it is: looked at by descriptor, and never through a link.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{self, AtFlags, Stat};
use serde::{Deserialize, Serialize};

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "freebsd")]
use freebsd::now;
#[cfg(target_os = "freebsd")]
pub(crate) use freebsd::{born, directory, identity};
#[cfg(target_os = "linux")]
use linux::now;
#[cfg(target_os = "linux")]
pub(crate) use linux::{born, directory, identity};

/// Which file on which mount. A bind mount of Linux has the st_dev of its source, so the mount's own number is needed as well;
/// a nullfs has another st_dev than what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    /// st_dev.
    pub(crate) dev: u64,
    /// st_ino.
    pub(crate) ino: u64,
    /// stx_mnt_id of statx(2), on Linux.
    pub(crate) mount: Option<u64>,
}

/// Seconds and nanoseconds of the host's clock; clock_gettime(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Moment(pub(crate) i64, pub(crate) i64);

impl Moment {
    /// As file systems stamp their files, or before that, and never ahead of it.
    pub(crate) fn now() -> Self {
        now()
    }

    /// When it was last changed, its owner, mode or content: st_ctim, which nobody can set; stat(2).
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "types differ from system to system")]
    pub(crate) fn changed(stat: &Stat) -> Self {
        Self(stat.st_ctime as i64, stat.st_ctime_nsec as i64)
    }

    /// This much later.
    pub(crate) fn after_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds), self.1)
    }
}

/// Whether `file` is what stands at that name.
pub(crate) fn stands_at<D: AsFd, F: AsFd>(directory: D, name: &str, file: F) -> io::Result<bool> {
    let ours = fs::fstat(file)?;
    match fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok((found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// While we look, decide and build, a pid 1 lets go of the host's tree: umount2(2) then waits for a thread of the kernel's (RCU) that
/// may be waiting for this processor, for which it would get the time only once we sleep.
pub(crate) fn give_way() {
    rustix::thread::sched_yield();
}
