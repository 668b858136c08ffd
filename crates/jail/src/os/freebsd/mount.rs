//! Mounts of a jail's root: made on a directory that is open, looked at once they are there, taken away by their number.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{self, FileType, Gid, Mode, Uid};
use rustix::io::Errno;
use thinjail_plan::path::HostPath;
use thinjail_plan::step::Access;
use thinjail_sys::freebsd::mount::{Flags, Fsid, fstatfs, getfsstat, nmount, unmount};

use super::{StepError, failed, mode_of, place};
use crate::journal::undo::Undo;

/// A place to mount something on.
pub(super) struct Point {
    /// The directory that holds it.
    pub(super) parent: OwnedFd,
    /// Its name there.
    pub(super) name: String,
    /// Its path on the host.
    pub(super) at: HostPath,
}

/// A string as nmount(2) takes it.
fn text(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(io::Error::from)
}

/// No mount of a jail honours set-id bits.
fn flags(access: Access) -> Flags {
    let mut flags = Flags::NOSUID;
    if !access.write {
        flags = flags.and(Flags::RDONLY);
    }
    if !access.exec {
        flags = flags.and(Flags::NOEXEC);
    }
    flags
}

/// Mounts on a point. The point's own directory is the working directory meanwhile, so that no path is followed to it, whoever
/// owns the directories on the way; then the mount is looked at where it was meant to be.
pub(super) fn on(
    point: &Point,
    kind: &'static str,
    options: &[(&CStr, &CStr)],
    flags: Flags,
) -> Result<Fsid, StepError> {
    let what = || format!("mount {kind} on {}", point.at);
    let known = || -> io::Result<Fsid> {
        let held = fs::openat(&point.parent, point.name.as_str(), place::DIRECTORY, Mode::empty());
        let (inside, name) = match held {
            Ok(held) => {
                // Two mounts, one on top of the other, are what a stop of another tool leaves behind.
                if fstatfs(&held)?.fsid != fstatfs(&point.parent)?.fsid {
                    return Err(io::Error::new(io::ErrorKind::ResourceBusy, "something is mounted there already"));
                }
                (held, c".".to_owned())
            }
            // A single file: its name, in a directory that is held.
            Err(Errno::NOTDIR) => (rustix::io::fcntl_dupfd_cloexec(&point.parent, 0)?, text(&point.name)?),
            Err(error) => return Err(error.into()),
        };
        rustix::process::fchdir(&inside)?;
        let mut all = vec![(c"fspath", name.as_c_str())];
        all.extend_from_slice(options);
        let mounted = nmount(&all, flags);
        // Nothing of the host stays busy because of us.
        rustix::process::chdir("/")?;
        mounted.map_err(io::Error::from)?;
        drop(inside);
        look(point, kind)
    };
    known().map_err(|cause| failed(what(), cause))
}

/// The mount that is at a point now. What is found elsewhere than it was meant to be is taken away at once.
fn look(point: &Point, kind: &str) -> io::Result<Fsid> {
    let flags = place::DIRECTORY.difference(fs::OFlags::DIRECTORY).union(fs::OFlags::NONBLOCK);
    let root = fs::openat(&point.parent, point.name.as_str(), flags, Mode::empty())?;
    let found = fstatfs(&root)?;
    if found.kind == kind && found.on == point.at.as_str() {
        return Ok(found.fsid);
    }
    drop(root);
    if found.kind == kind && found.fsid != fstatfs(&point.parent)?.fsid {
        unmount(found.fsid, true)?;
    }
    Err(io::Error::other(format!("it came to stand on {} instead", found.on)))
}

/// What tells one file from another even if their numbers are the same; nullfs(5) shows all of it but the device.
fn marks(file: &OwnedFd) -> io::Result<[i64; 6]> {
    let stat = fs::fstat(file)?;
    let number = |number: u64| number.cast_signed();
    Ok([
        number(stat.st_ino),
        i64::from(FileType::from_raw_mode(stat.st_mode).as_raw_mode()),
        stat.st_birthtime,
        stat.st_birthtime_nsec,
        i64::from(stat.st_uid),
        number(stat.st_nlink),
    ])
}

/// nullfs(5) of a file or directory of the host that is open. The system call takes a path, so what it has found at the end of
/// it is compared with what is open.
pub(super) fn nullfs(source: &HostPath, opened: &OwnedFd, point: &Point, access: Access) -> Result<Fsid, StepError> {
    let what = || format!("mount nullfs of {source} on {}", point.at);
    let target = text(source.as_str()).map_err(|cause| failed(what(), cause))?;
    let fsid = on(point, "nullfs", &[(c"fstype", c"nullfs"), (c"target", &target)], flags(access))?;
    let same = || -> io::Result<bool> {
        let flags = place::DIRECTORY.difference(fs::OFlags::DIRECTORY).union(fs::OFlags::NONBLOCK);
        let root = fs::openat(&point.parent, point.name.as_str(), flags, Mode::empty())?;
        Ok(marks(&root)? == marks(opened)?)
    };
    let cause = match same() {
        Ok(true) => return Ok(fsid),
        Ok(false) => io::Error::other("another file has taken its place since it was inspected: start again"),
        Err(error) => error,
    };
    unmount(fsid, true).map_err(|cause| failed(format!("unmount {}", point.at), cause))?;
    Err(failed(what(), cause))
}

/// A file system in memory. Until it is sealed it can be written to. Owner and mode are given to it once it is there: with options
/// for them it could not be made read-only later, since those are none of an update.
pub(super) fn tmpfs(
    point: &Point,
    size: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    access: Access,
) -> Result<Fsid, StepError> {
    let what = || format!("mount tmpfs on {}", point.at);
    let size = text(&size.to_string()).map_err(|cause| failed(what(), cause))?;
    let options = [(c"fstype", c"tmpfs"), (c"from", c"tmpfs"), (c"size", size.as_c_str())];
    let fsid = on(point, "tmpfs", &options, flags(Access { write: true, ..access }))?;
    let hand_over = || -> Result<(), Errno> {
        let root = fs::openat(&point.parent, point.name.as_str(), place::DIRECTORY, Mode::empty())?;
        fs::fchown(&root, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        fs::fchmod(&root, mode_of(mode))
    };
    match hand_over() {
        Ok(()) => Ok(fsid),
        Err(cause) => {
            unmount(fsid, true).map_err(|cause| failed(format!("unmount {}", point.at), cause))?;
            Err(failed(what(), cause))
        }
    }
}

/// fdescfs(5) or procfs(5): what the kernel tells of the jail's processes.
pub(super) fn kernel(point: &Point, kind: &'static CStr) -> Result<Fsid, StepError> {
    let name = kind.to_str().unwrap_or_default();
    let flags = Flags::NOSUID.and(Flags::NOEXEC);
    // A descriptor may be written to; nothing of a process may.
    let flags = if kind == c"procfs" { flags.and(Flags::RDONLY) } else { flags };
    on(point, name, &[(c"fstype", kind), (c"from", kind)], flags)
}

/// The root itself, on a directory that is made for it and taken away with it by whoever calls.
pub(super) fn root(at: &HostPath, size: u64, mode: u32, uid: u32, gid: u32) -> Result<Fsid, StepError> {
    let what = || format!("mount tmpfs on {at}");
    let (Some(parent), Some(name)) = (at.parent(), at.name()) else {
        return Err(failed(what(), Errno::INVAL));
    };
    let parent = place::directory(&parent).map_err(|cause| failed(what(), cause))?;
    let point = Point { parent, name: name.to_owned(), at: at.clone() };
    tmpfs(&point, size, mode, uid, gid, Access { write: true, exec: true, dev: false })
}

/// Gives a mount its lasting access. With `force` what is open to be written is closed.
pub(super) fn update(at: &HostPath, access: Access, force: bool) -> Result<(), StepError> {
    let what = || format!("make {at} {}", if access.write { "writable" } else { "read-only" });
    let path = text(at.as_str()).map_err(|cause| failed(what(), cause))?;
    let mut options = vec![(c"fstype", c"tmpfs"), (c"fspath", path.as_c_str())];
    // Said either way: an update keeps the options of the mount that it does not name, and so the one that sealed it.
    options.push((if access.write { c"rw" } else { c"ro" }, c""));
    let how = if force { Flags::UPDATE.and(Flags::FORCE) } else { Flags::UPDATE };
    nmount(&options, flags(access).and(how)).map_err(|refused| failed(what(), refused))
}

/// Takes a mount away, whatever has come to stand at its path.
pub(super) fn undo(at: &HostPath, fsid: Fsid, force: bool) -> Result<(), StepError> {
    match unmount(fsid, force) {
        // It is gone.
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::INVAL)) => Ok(()),
        other => other.map_err(|cause| failed(format!("unmount {at}"), cause)),
    }
}

/// All mounts at a place and below it, last first.
pub(super) fn below(root: &HostPath) -> Result<Vec<Undo>, StepError> {
    let mounts = getfsstat().map_err(|cause| failed("list the mounts of the host", cause))?;
    let prefix = format!("{root}/");
    let ours = mounts.into_iter().filter(|mounted| mounted.on == root.as_str() || mounted.on.starts_with(&prefix));
    let undo = ours
        .filter_map(|mounted| Some(Undo::Unmount { at: HostPath::new(&mounted.on).ok()?, fsid: Some(mounted.fsid.0) }));
    let mut all: Vec<Undo> = undo.collect();
    all.reverse();
    Ok(all)
}
