//! Linux: openat2(2) and statx(2).

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{self, AtFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use thinjail_plan::path::HostPath;

use super::{Identity, Moment};
use crate::os::linux::NO_LINKS;

/// Opens a directory with no link on the way to it.
pub(crate) fn directory(path: &HostPath, how: OFlags) -> Result<OwnedFd, Errno> {
    let flags = how | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat2(fs::CWD, path.as_str(), flags, Mode::empty(), NO_LINKS)
}

/// What stands at a name, or, if that is empty, what is open.
pub(crate) fn identity<Fd: AsFd>(at: Fd, name: &str) -> io::Result<Identity> {
    let flags = if name.is_empty() { AtFlags::EMPTY_PATH } else { AtFlags::SYMLINK_NOFOLLOW };
    let stat = fs::statx(at, name, flags, StatxFlags::INO | StatxFlags::MNT_ID)?;
    let dev = fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
    Ok(Identity { dev, ino: stat.stx_ino, mount: Some(stat.stx_mnt_id) })
}

/// When it was made, where the file system remembers that.
pub(crate) fn born<Fd: AsFd>(file: Fd) -> io::Result<Option<Moment>> {
    let stat = fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BTIME)?;
    let remembers = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    Ok(remembers.then(|| Moment(stat.stx_btime.tv_sec, i64::from(stat.stx_btime.tv_nsec))))
}

/// By the coarse clock, as file systems do.
pub(super) fn now() -> Moment {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    #[allow(clippy::useless_conversion, reason = "a long is of another size elsewhere")]
    Moment(now.tv_sec, i64::from(now.tv_nsec))
}
