//! The pidfile that the host reads: a pid of the host, written by the supervisor; pidfile(3).
//!
//! It is locked while its jail lives, so that a stale one is told from a live one whatever its number says.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use thinjail_plan::path::HostPath;

use crate::run::RunError;

/// A pidfile of ours.
#[derive(Debug)]
pub(crate) struct Pidfile {
    directory: OwnedFd,
    name: String,
    /// Keeps the lock.
    file: std::fs::File,
}

const LOOK: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Refuses where another jail holds it. Touches nothing.
pub(crate) fn check_free(path: &HostPath) -> Result<(), RunError> {
    let failed = |cause: io::Error| RunError::setup(format!("read the pidfile {path}"), cause);
    // Never blocks on a FIFO that somebody has put there.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match fs::open(path.as_str(), flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(()),
        Err(cause) => return Err(failed(cause.into()).help(format!("remove {path} if no daemon uses it"))),
    };
    if !fs::FileType::from_raw_mode(fs::fstat(&file).map_err(|e| failed(e.into()))?.st_mode).is_file() {
        return Err(failed(io::Error::other("it is not a regular file")).help(format!("remove {path}")));
    }
    match fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            let _ = std::fs::File::from(file).take(20).read_to_string(&mut pid);
            let cause = io::Error::other(format!("it is already running, with pid {}", pid.trim()));
            Err(RunError::setup(format!("start a jail with the pidfile {path}"), cause)
                .help("stop that one first, or give this one another pidfile".to_owned()))
        }
        Err(cause) => Err(failed(cause.into())),
    }
}

impl Pidfile {
    /// Writes it, in place of a stale one: to a new file with another name first, so that nobody ever reads half a number
    /// and no link that stands there is followed.
    pub(crate) fn write(path: &HostPath, pid: i32) -> Result<Self, RunError> {
        let failed = |cause: io::Error| RunError::setup(format!("write the pidfile {path}"), cause);
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        };
        let make = || -> io::Result<Self> {
            let directory = fs::open(parent.as_str(), LOOK, Mode::empty())?;
            let new = format!(".{name}.{}", std::process::id());
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut file = std::fs::File::from(fs::openat(&directory, &new, flags, Mode::from_bits_truncate(0o644))?);
            let written = (|| {
                fs::fchmod(&file, Mode::from_bits_truncate(0o644))?;
                fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
                writeln!(file, "{pid}")?;
                fs::renameat(&directory, &new, &directory, name)?;
                Ok(())
            })();
            match written {
                Ok(()) => Ok(Self { directory, name: name.to_owned(), file }),
                Err(error) => {
                    fs::unlinkat(&directory, &new, AtFlags::empty())?;
                    Err(error)
                }
            }
        };
        make().map_err(failed)
    }

    /// Removes it, if the file of that name is still ours.
    pub(crate) fn remove(self) -> io::Result<()> {
        let ours = fs::fstat(&self.file)?;
        match fs::statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino) => {
                Ok(fs::unlinkat(&self.directory, &self.name, AtFlags::empty())?)
            }
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
