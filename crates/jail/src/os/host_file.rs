//! A file of ours on the host, such as a pidfile, taken back: the same way on every system.

use std::io;

use rustix::fs::{self, AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use thinjail_plan::path::HostPath;

use super::StepError;
use crate::journal::Entry;
use crate::journal::undo::may_be_ours;
use crate::look::{self, Identity, Moment};

/// Never through a link that stands there, and never blocking on a FIFO.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// Removes it, if it is the one that was made and nobody holds its lock.
pub(crate) fn remove(path: &HostPath, id: Option<Identity>, entry: &Entry) -> Result<(), StepError> {
    let refused = |cause: io::Error| StepError::RemoveHostFile { path: path.clone(), cause };
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
        return Err(refused(io::ErrorKind::InvalidInput.into()));
    };
    // Gone, or something else by now: not ours to touch. FreeBSD says EMLINK where a link stands.
    let other =
        |error: &Errno| matches!(*error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::MLINK | Errno::NXIO);
    let parent = match look::directory(&parent, OFlags::PATH) {
        Err(error) if other(&error) => return Ok(()),
        opened => opened.map_err(|error| refused(error.into()))?,
    };
    let file = match fs::openat(&parent, name, READ, Mode::empty()) {
        Err(error) if other(&error) => return Ok(()),
        opened => opened.map_err(|error| refused(error.into()))?,
    };
    let ours = match id {
        Some(id) => look::identity(&file, "").map(|found| found == id),
        None => is_left_by(&file, entry),
    };
    if !ours.map_err(refused)? {
        return Ok(());
    }
    // Then a start has taken it over meanwhile. Where there are no locks nobody has one.
    if let Err(Errno::WOULDBLOCK) = fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        return Ok(());
    }
    if !look::stands_at(&parent, name, &file).map_err(refused)? {
        return Ok(());
    }
    fs::unlinkat(&parent, name, AtFlags::empty()).map_err(|error| refused(error.into()))
}

/// Removes a unix socket, if it is the one that was made.
pub(crate) fn remove_socket(path: &HostPath, id: Option<Identity>, entry: &Entry) -> Result<(), StepError> {
    let refused = |cause: io::Error| StepError::RemoveHostFile { path: path.clone(), cause };
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
        return Err(refused(io::ErrorKind::InvalidInput.into()));
    };
    let parent = match look::directory(&parent, OFlags::PATH) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => return Ok(()),
        opened => opened.map_err(|error| refused(error.into()))?,
    };
    let stat = match fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        found => found.map_err(|error| refused(error.into()))?,
    };
    let ours = match id {
        Some(id) => look::identity(&parent, name).map_err(refused)? == id,
        // A step that could not say so any more.
        None => {
            let own = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_nlink == 1;
            own && may_be_ours(entry.time, Moment::changed(&stat))
        }
    };
    if !ours || !FileType::from_raw_mode(stat.st_mode).is_socket() {
        return Ok(());
    }
    fs::unlinkat(&parent, name, AtFlags::empty()).map_err(|error| refused(error.into()))
}

/// Whether a step made it that could not say so any more: an empty file of root's with one name, as old as that.
fn is_left_by(file: &std::os::fd::OwnedFd, entry: &Entry) -> io::Result<bool> {
    let stat = fs::fstat(file)?;
    let plain = FileType::from_raw_mode(stat.st_mode).is_file() && stat.st_nlink == 1 && stat.st_size == 0;
    let ours = stat.st_uid == rustix::process::geteuid().as_raw();
    Ok(plain && ours && may_be_ours(entry.time, Moment::changed(&stat)))
}
