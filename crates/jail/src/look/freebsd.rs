//! FreeBSD: each name on the way is opened for itself, and fstat(2) tells a nullfs from what it shows.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use thinjail_plan::path::HostPath;

use super::{Identity, Moment};

/// Opens a directory with no link on the way to it.
pub(crate) fn directory(path: &HostPath, how: OFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut directory = fs::open("/", OFlags::PATH | flags, Mode::empty())?;
    let mut parts = path.parts().peekable();
    while let Some(name) = parts.next() {
        let how = if parts.peek().is_some() { OFlags::PATH } else { how };
        directory = fs::openat(&directory, name, how | flags, Mode::empty())?;
    }
    Ok(directory)
}

/// What stands at a name, or, if that is empty, what is open.
pub(crate) fn identity<Fd: AsFd>(at: Fd, name: &str) -> io::Result<Identity> {
    let stat = match name {
        "" => fs::fstat(at)?,
        name => fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?,
    };
    Ok(Identity { dev: stat.st_dev, ino: stat.st_ino, mount: None })
}

/// When it was made; UFS1 does not remember that, and says that it was before 1970.
pub(crate) fn born<Fd: AsFd>(file: Fd) -> io::Result<Option<Moment>> {
    let stat = fs::fstat(file)?;
    Ok((stat.st_birthtime > 0).then_some(Moment(stat.st_birthtime, stat.st_birthtime_nsec)))
}

/// In whole seconds: vfs.timestamp_precision may have it that files are stamped with no more.
pub(super) fn now() -> Moment {
    Moment(rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec, 0)
}
