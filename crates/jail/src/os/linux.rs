//! The host's steps on Linux: directories, made and removed by descriptor.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{self, AtFlags, Gid, Mode, OFlags, ResolveFlags, StatxFlags, Uid};
use thinjail_plan::path::HostPath;
use thinjail_plan::step::Step;

use super::{Os, StepError};

/// Never through a symbolic link, nor through one of /proc's.
pub(crate) const NO_LINKS: ResolveFlags = ResolveFlags::NO_SYMLINKS.union(ResolveFlags::NO_MAGICLINKS);

/// The host itself.
pub(crate) struct Host;

/// A directory that was asked for.
#[derive(Debug)]
pub(crate) struct HostDir {
    /// Where.
    pub(crate) path: HostPath,
    /// The directory, whether we made it or found it: what is bound into the jail is this very one.
    pub(crate) fd: OwnedFd,
    /// How to take it back, if it was us who made it.
    made: Option<Made>,
}

/// What an undo has to find again before it removes anything.
#[derive(Debug)]
struct Made {
    parent: OwnedFd,
    identity: Identity,
    keep: bool,
}

/// Which directory on which mount. A bind mount has the st_dev of its source, so the mount's own number is needed as well.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: (u32, u32),
    inode: u64,
    mount: u64,
}

fn identity<Fd: AsFd>(dir: Fd, name: &str) -> io::Result<Identity> {
    let flags = if name.is_empty() { AtFlags::EMPTY_PATH } else { AtFlags::SYMLINK_NOFOLLOW };
    let stat = fs::statx(dir, name, flags, StatxFlags::INO | StatxFlags::MNT_ID)?;
    Ok(Identity { device: (stat.stx_dev_major, stat.stx_dev_minor), inode: stat.stx_ino, mount: stat.stx_mnt_id })
}

/// Gives a new directory its owner and its mode.
fn hand_over(fd: &OwnedFd, mode: u32, uid: u32, gid: u32) -> rustix::io::Result<()> {
    fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    fs::fchmod(fd, Mode::from_bits_truncate(mode))
}

/// Whether this is the directory that was just made, and not one that the owner of its parent has put in its place: there
/// is no call that makes a directory and opens it at once, and what is opened here gets another owner. It is ours, empty, has
/// the mode we gave it, and was born after we began, where the file system remembers that.
fn is_just_made(fd: &OwnedFd, begin: rustix::time::Timespec) -> io::Result<bool> {
    let stat = fs::statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?;
    let born = (stat.stx_btime.tv_sec, i64::from(stat.stx_btime.tv_nsec));
    let remembers = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    let old = remembers && born < (begin.tv_sec, begin.tv_nsec);
    // A set-group-ID bit comes from the parent.
    let mode = stat.stx_mode & 0o5777;
    let ours = stat.stx_uid == rustix::process::geteuid().as_raw() && mode == 0o700;
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

impl Os for Host {
    type Done = HostDir;

    fn apply(&mut self, step: &Step) -> Result<HostDir, StepError> {
        let Step::MakeHostDir { path, mode, uid, gid, keep } = step else {
            return Err(StepError::NotHere { system: "Linux" });
        };
        let failed = |cause: io::Error| StepError::MakeHostDir { path: path.clone(), cause };
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        };
        let look = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let parent =
            fs::openat2(fs::CWD, parent.as_str(), look, Mode::empty(), NO_LINKS).map_err(|e| failed(e.into()))?;
        let begin = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        // Nobody else may enter before it has its owner.
        let new = match fs::mkdirat(&parent, name, Mode::from_bits_truncate(0o700)) {
            Ok(()) => true,
            Err(rustix::io::Errno::EXIST) => false,
            Err(error) => return Err(failed(error.into())),
        };
        let read = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = fs::openat(&parent, name, read, Mode::empty()).map_err(io::Error::from);
        if let (false, Ok(fd)) = (new, &opened) {
            let owner = fs::fstat(fd).map_err(|e| failed(e.into()))?.st_uid;
            if owner != *uid && owner != 0 {
                return Err(StepError::Taken { path: path.clone(), owner });
            }
            // It was not there when the host was inspected. Nothing is gained by a directory of the jail's own user; one of
            // root's may have been moved there by whoever owns its parent.
            if owner == 0 && !is_safe(&fs::fstat(&parent).map_err(|e| failed(e.into()))?) {
                return Err(failed(io::Error::other("a directory of root's has come to stand there meanwhile")));
            }
        }
        let done = opened.and_then(|fd| {
            if !new {
                return Ok(HostDir { path: path.clone(), fd, made: None });
            }
            if !is_just_made(&fd, begin)? {
                return Err(io::Error::other("another directory was put in its place while it was made"));
            }
            let identity = identity(&fd, "")?;
            let made = HostDir { path: path.clone(), fd, made: Some(Made { parent, identity, keep: *keep }) };
            if let Err(error) = hand_over(&made.fd, *mode, *uid, *gid) {
                // The first error is the one to tell; a directory that stays is empty and root's.
                let _ = self.undo(&made, true);
                return Err(error.into());
            }
            Ok(made)
        });
        done.map_err(failed)
    }

    fn undo(&mut self, done: &HostDir, failed: bool) -> Result<(), StepError> {
        let Some(made) = &done.made else { return Ok(()) };
        if made.keep && !failed {
            return Ok(());
        }
        let refused = |cause: io::Error| StepError::RemoveHostDir { path: done.path.clone(), cause };
        let Some(name) = done.path.name() else { return Ok(()) };
        match identity(&made.parent, name) {
            Ok(found) if found == made.identity => {}
            // Another one has its name by now, or it is gone: not ours to touch.
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(refused(error)),
        }
        // rmdir(2) takes empty directories only: what a daemon left in there stays, and is told of.
        fs::unlinkat(&made.parent, name, AtFlags::REMOVEDIR).map_err(|error| refused(error.into()))
    }
}
