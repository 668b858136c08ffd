//! Directories of the host: made and removed by descriptor, the same way on every system.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{self, AtFlags, FlockOperation, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use thinjail_plan::path::HostPath;

use super::{End, StepError, host_rest};
use crate::journal::Entry;
use crate::journal::undo::{Undo, may_be_ours};
use crate::life;
use crate::look::{self, Identity, Moment};

/// A directory that was asked for.
#[derive(Debug)]
pub(crate) struct HostDir {
    /// Where.
    pub(crate) path: HostPath,
    /// The directory, whether we made it or found it: what is bound into the jail is this very one. While it is open, one that
    /// does not stay is locked, so that no other jail's end takes it away; flock(2).
    pub(crate) fd: OwnedFd,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Where.
    pub(crate) path: &'a HostPath,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Owner.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
    /// Stays after a stop.
    pub(crate) keep: bool,
}

const READ: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Wanted<'_> {
    /// How it is taken back.
    pub(crate) fn undo(&self, id: Option<Identity>) -> Undo {
        let Self { path, mode, uid, gid, keep } = *self;
        Undo::RemoveDir { path: path.clone(), mode, uid, gid, keep, id }
    }
}

/// Gives a new directory its owner and its mode.
fn hand_over(fd: &OwnedFd, wanted: Wanted<'_>) -> rustix::io::Result<()> {
    fs::fchown(fd, Some(Uid::from_raw(wanted.uid)), Some(Gid::from_raw(wanted.gid)))?;
    fs::fchmod(fd, Mode::from_raw_mode(mode_bits(wanted.mode)))
}

/// As this system's `mode_t`.
fn mode_bits(mode: u32) -> fs::RawMode {
    fs::RawMode::try_from(mode & 0o7777).unwrap_or(0)
}

/// Whether this is the directory that was just made, and not one that the owner of its parent has put in its place: there
/// is no call that makes a directory and opens it at once, and what is opened here gets another owner. It is ours, empty, has
/// the mode we gave it, and was born after we began, where the file system remembers that.
fn is_just_made(fd: &OwnedFd, begin: Moment) -> io::Result<bool> {
    let stat = fs::fstat(fd)?;
    let old = look::born(fd)?.is_some_and(|born| born < begin);
    // A set-group-ID bit comes from the parent.
    let ours = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o5777 == 0o700;
    Ok(ours && !old && is_empty(fd)?)
}

/// Whether nobody but root can put something in the place of what root has in this directory.
fn is_safe(directory: &fs::Stat) -> bool {
    let open = directory.st_mode & 0o022 != 0;
    let sticky = directory.st_mode & 0o1000 != 0;
    directory.st_uid == 0 && (!open || sticky)
}

fn is_empty(fd: &OwnedFd) -> io::Result<bool> {
    for entry in fs::Dir::read_from(fd)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes it, or takes the one that is there if it is nobody else's.
pub(crate) fn make(wanted: Wanted<'_>) -> Result<(HostDir, Option<Undo>), StepError> {
    let Wanted { path, uid, keep, .. } = wanted;
    let failed = |cause: io::Error| StepError::MakeHostDir { path: path.clone(), cause };
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    };
    let parent = look::directory(&parent, OFlags::PATH).map_err(|e| failed(e.into()))?;
    let begin = Moment::now();
    // Nobody else may enter before it has its owner.
    let new = match fs::mkdirat(&parent, name, Mode::RWXU) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(failed(error.into())),
    };
    let fd = fs::openat(&parent, name, READ, Mode::empty()).map_err(|e| failed(e.into()))?;
    if !keep {
        // Whoever can read it can lock it as well, and then it may be taken away under us: no reason not to start.
        let _ = fs::flock(&fd, FlockOperation::NonBlockingLockShared);
    }
    if !new {
        let owner = fs::fstat(&fd).map_err(|e| failed(e.into()))?.st_uid;
        if owner != uid && owner != 0 {
            return Err(StepError::Taken { path: path.clone(), owner });
        }
        // It was not there when the host was inspected. Nothing is gained by a directory of the jail's own user; one of
        // root's may have been moved there by whoever owns its parent.
        if owner == 0 && !is_safe(&fs::fstat(&parent).map_err(|e| failed(e.into()))?) {
            return Err(failed(io::Error::other("a directory of root's has come to stand there meanwhile")));
        }
        return Ok((HostDir { path: path.clone(), fd }, None));
    }
    let done = is_just_made(&fd, begin).and_then(|ours| {
        if !ours {
            return Err(io::Error::other("another directory was put in its place while it was made"));
        }
        let id = look::identity(&fd, "")?;
        hand_over(&fd, wanted)?;
        Ok(id)
    });
    let id = done.map_err(failed)?;
    Ok((HostDir { path: path.clone(), fd }, Some(wanted.undo(Some(id)))))
}

/// Takes it back: if it is the one that was made, and is empty.
pub(crate) fn remove(wanted: Wanted<'_>, id: Option<Identity>, entry: &Entry, end: End) -> Result<(), StepError> {
    let Wanted { path, keep, .. } = wanted;
    if keep && end == End::Stopped {
        return Ok(());
    }
    let refused = |cause: io::Error| StepError::RemoveHostDir { path: path.clone(), cause };
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
        return Err(refused(io::ErrorKind::InvalidInput.into()));
    };
    // Gone, or something else by now: not ours to touch. FreeBSD says EMLINK where a link stands.
    let other = |error: &Errno| matches!(*error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::MLINK);
    let parent = match look::directory(&parent, OFlags::PATH) {
        Err(error) if other(&error) => return Ok(()),
        opened => opened.map_err(|error| refused(error.into()))?,
    };
    let fd = match fs::openat(&parent, name, READ, Mode::empty()) {
        Err(error) if other(&error) => return Ok(()),
        opened => opened.map_err(|error| refused(error.into()))?,
    };
    let ours = match id {
        Some(id) => look::identity(&fd, "").map(|found| found == id),
        None => is_left_by(&fd, wanted, entry),
    };
    if !ours.map_err(refused)? {
        return Ok(());
    }
    // Whoever may read it can have its lock, jail or not: that only keeps those from it who make it at this moment.
    let _ = fs::flock(&fd, FlockOperation::NonBlockingLockExclusive);
    if life::uses(path) {
        return Err(refused(io::Error::new(io::ErrorKind::ResourceBusy, InUse)));
    }
    if !look::stands_at(&parent, name, &fd).map_err(refused)? {
        return Ok(());
    }
    if host_rest::may_be_removed(wanted) {
        let within = id.map_or_else(|| look::identity(&fd, ""), Ok).map_err(refused)?;
        // What could not be removed keeps the directory, and that is told.
        let _ = host_rest::remove(&fd, wanted.uid, within);
    }
    // rmdir(2) takes empty directories only: what else was left in there stays, and is told of.
    fs::unlinkat(&parent, name, AtFlags::REMOVEDIR).map_err(|error| refused(error.into()))
}

/// Another jail has opened it.
#[derive(Debug, thiserror::Error)]
#[error("it is in use")]
struct InUse;

/// Whether a step made it that could not say so any more: it is as that step makes it, and as old as that.
fn is_left_by(fd: &OwnedFd, wanted: Wanted<'_>, entry: &Entry) -> io::Result<bool> {
    let stat = fs::fstat(fd)?;
    let mode = stat.st_mode & 0o7777;
    let new = stat.st_uid == 0 && mode & 0o5777 == 0o700;
    let modes = [0o700, mode_bits(wanted.mode)];
    let given = stat.st_uid == wanted.uid && stat.st_gid == wanted.gid && modes.contains(&(mode & 0o5777));
    let old = look::born(fd)?.is_some_and(|born| born < entry.time);
    Ok((new || given) && !old && may_be_ours(entry.time, Moment::changed(&stat)) && is_empty(fd)?)
}
