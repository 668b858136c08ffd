//! Puts files into a jail that runs, in place of those that it has.
//!
//! Everything is opened, judged and made read-only outside. A process of ours then enters the jail's mount namespace and no
//! other one, where nobody sees it. It opens the places below the root without following any link; what it finds there has to
//! be a mount, which nobody in a jail can make, move or take away. From Linux 6.5 on the new file is mounted beneath the old one,
//! and that is taken away then: there is no moment without either. Before that the old one goes first, and for a moment there is
//! only the empty file that it was mounted upon.

use std::ffi::CString;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, StatxAttributes, StatxFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, UnmountFlags, move_mount, open_tree, unmount};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, pidfd_open, set_dumpable_behavior};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};
use thinjail_plan::plan::Plan;
use thinjail_plan::step::{Content, Step};
use thinjail_sys::linux::mount::mount_set_writable;
use thinjail_sys::linux::process::{self, CloneFlags, Side};

use super::source;
use super::supervisor::reap;
use super::tree::{NEW_FILE, WITHIN, malformed};
use crate::journal::line::Running;
use crate::run::RunError;
use crate::state::started;

/// A jail that runs, by a process in it.
#[derive(Debug)]
pub(crate) enum Jail<'a> {
    /// Held by us.
    Held(OwnedFd),
    /// By its supervisor.
    Lent(BorrowedFd<'a>),
}

impl Jail<'_> {
    /// By what its journal says.
    pub(crate) fn of(plan: &Plan, running: Running) -> Result<Self, RunError> {
        let failed = |cause: io::Error| RunError::setup(format!("hold the main process of {}", plan.name), cause);
        let pid = Pid::from_raw(running.main.pid).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let main = pidfd_open(pid, PidfdFlags::empty()).map_err(|cause| failed(cause.into()))?;
        // The descriptor first, then the question: the answer is about the process that the descriptor holds.
        match started(running.main.pid) == running.main.start {
            true => Ok(Self::Held(main)),
            false => Err(failed(io::Error::other("it has just ended"))),
        }
    }

    fn member(&self) -> BorrowedFd<'_> {
        match self {
            Self::Held(fd) => fd.as_fd(),
            Self::Lent(fd) => *fd,
        }
    }
}

/// What is put at a place.
enum What {
    Mount(OwnedFd),
    Copy { bytes: Vec<u8>, mode: u32, owner: (u32, u32) },
}

/// The number of a place, and what came of it: an errno, or one of these.
const SWAPPED: i32 = 0;
const SAME: i32 = -1;
const ANSWER: usize = 8;

/// Does each step anew; whether anything had to be done, or why it was not.
pub(crate) fn swap(jail: &Jail<'_>, steps: &[&Step]) -> Result<Vec<Result<bool, RunError>>, RunError> {
    let mut ready = Vec::new();
    let mut done = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        match prepare(step) {
            Ok((at, what)) => {
                done.push(Ok(false));
                ready.push((index, at, what));
            }
            Err(error) => done.push(Err(error)),
        }
    }
    if ready.is_empty() {
        return Ok(done);
    }
    let failed = |cause: io::Error| RunError::setup("enter the jail's mount namespace".into(), cause);
    let (hear, tell) = pipe_with(PipeFlags::CLOEXEC).map_err(|cause| failed(cause.into()))?;
    let pid = match process::clone3(CloneFlags::NONE).map_err(failed)? {
        Side::Parent { pid, .. } => pid,
        Side::Child => {
            drop(hear);
            let entered = enter(jail.member(), &ready, &mut std::fs::File::from(tell));
            process::exit(entered.err().map_or(0, |error| error.raw_os_error() & 0xff))
        }
    };
    drop(tell);
    let mut answers = Vec::new();
    let heard = std::fs::File::from(hear).read_to_end(&mut answers);
    let _ = reap(pid);
    heard.map_err(failed)?;
    let answers = answers.chunks_exact(ANSWER).map(|answer| {
        let number = |at: usize| i32::from_ne_bytes([answer[at], answer[at + 1], answer[at + 2], answer[at + 3]]);
        (number(0), number(4))
    });
    let mut silent: Vec<usize> = ready.iter().map(|(index, ..)| *index).collect();
    for (index, code) in answers {
        let Some(index) = usize::try_from(index).ok().filter(|index| *index < done.len()) else { continue };
        silent.retain(|other| *other != index);
        done[index] = match code {
            SWAPPED => Ok(true),
            SAME => Ok(false),
            errno => Err(explain(Errno::from_raw_os_error(errno))),
        };
    }
    match silent.is_empty() {
        true => Ok(done),
        false => Err(failed(io::Error::other("it has just ended, or there is no /proc"))),
    }
}

fn explain(errno: Errno) -> RunError {
    let gone = [Errno::NOENT, Errno::LOOP, Errno::NOTDIR, Errno::XDEV].contains(&errno);
    let cause = match errno {
        _ if gone => io::Error::other("the jail has moved it away: restart the jail"),
        Errno::STALE => io::Error::other("the host has replaced it once more"),
        errno => errno.into(),
    };
    RunError::setup("put another file there".into(), cause)
}

/// All that is done outside, and the place below the root.
fn prepare(step: &Step) -> Result<(CString, What), RunError> {
    let at = step.at().map_or("", |at| at.as_str().trim_start_matches('/'));
    let at = CString::new(at).map_err(|_| malformed("a path has a NUL byte"))?;
    match step {
        Step::Bind { source, access, .. } => Ok((at, What::Mount(source::clone(source, *access, &[])?))),
        Step::PutFile { content: Content::Copy(source), mode, uid, gid, .. } => {
            let bytes = source::read(source, &[])?;
            Ok((at, What::Copy { bytes, mode: *mode, owner: (*uid, *gid) }))
        }
        _ => Err(malformed("what is to be refreshed is no file")),
    }
}

/// What that process does, to its end.
fn enter(member: BorrowedFd<'_>, ready: &[(usize, CString, What)], tell: &mut std::fs::File) -> Result<(), Errno> {
    let look = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // Of the host's /proc, whatever the jail has: umount2(2) takes a path, and no path is resolved inside.
    let own = fs::open(c"/proc/self/fd", look, Mode::empty())?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    move_into_thread_name_spaces(member, ThreadNameSpaceType::MOUNT)?;
    let root = fs::open(c"/", look, Mode::empty())?;
    rustix::process::fchdir(&own)?;
    for (index, at, what) in ready {
        let put = match what {
            What::Mount(file) => mount(&root, at, file),
            What::Copy { bytes, mode, owner } => copy(&root, at, bytes, *mode, *owner),
        };
        let code = match put {
            Ok(true) => SWAPPED,
            Ok(false) => SAME,
            Err(error) => error.raw_os_error(),
        };
        let mut answer = i32::try_from(*index).unwrap_or(i32::MAX).to_ne_bytes().to_vec();
        answer.extend(code.to_ne_bytes());
        tell.write_all(&answer).map_err(|_| Errno::PIPE)?;
    }
    Ok(())
}

/// Whether it had to be swapped.
fn mount(root: &OwnedFd, at: &CString, file: &OwnedFd) -> Result<bool, Errno> {
    let old = fs::openat2(root, at, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty(), WITHIN)?;
    let (has, wants) = (fs::fstat(&old)?, fs::fstat(file)?);
    let found = fs::statx(&old, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
    let upon = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    let is_file = FileType::from_raw_mode(has.st_mode).is_file();
    // Before anything else: what a jail has moved to that place may well be the very file that is wanted there.
    if !found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) || !is_file {
        // Or it is the empty file of ours that such a mount stands upon, in the root that nobody inside can change: before
        // Linux 6.5 another refresh may just have taken the old one, or have got no further.
        if is_file && has.st_size == 0 && has.st_dev == fs::fstat(root)?.st_dev {
            return move_mount(file, c"", &old, c"", upon).map(|()| true).map_err(removed);
        }
        return Err(Errno::XDEV);
    }
    if (has.st_dev, has.st_ino) == (wants.st_dev, wants.st_ino) {
        return Ok(false);
    }
    let beneath = move_mount(file, c"", &old, c"", upon | MoveMountFlags::MOVE_MOUNT_BENEATH);
    if !matches!(beneath, Ok(()) | Err(Errno::INVAL)) {
        return beneath.map(|()| true).map_err(removed);
    }
    // By the descriptor, through the directory of our own descriptors that we stand in.
    let taken = unmount(old.as_raw_fd().to_string(), UnmountFlags::DETACH);
    // Another refresh was faster: that of the supervisor, which watches the file.
    taken.map_err(|errno| if errno == Errno::INVAL { Errno::STALE } else { errno })?;
    if beneath.is_err() {
        // Nothing is mounted upon a file that another one has taken the name of, so the old one had to go first.
        let point = fs::openat2(root, at, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty(), WITHIN)?;
        move_mount(file, c"", &point, c"", upon).map_err(removed)?;
    }
    Ok(true)
}

/// What was opened outside has no name there any more, and such a file is mounted nowhere.
fn removed(errno: Errno) -> Errno {
    if errno == Errno::NOENT { Errno::STALE } else { errno }
}

/// The name that a copy has until it takes the place of the one before.
const NEW: &str = ".thinjail~";

/// Into the jail's own file system in memory, by a second mount of it that nobody sees, and that may be written to.
fn copy(root: &OwnedFd, at: &CString, bytes: &[u8], mode: u32, owner: (u32, u32)) -> Result<bool, Errno> {
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let own = open_tree(root, c"", clone)?;
    let text = at.to_str().map_err(|_| Errno::INVAL)?;
    let (way, name) = text.rsplit_once('/').unwrap_or((".", text));
    let look = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = fs::openat2(&own, way, look, Mode::empty(), WITHIN)?;
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let old = fs::openat(&dir, name, how, Mode::empty())?;
    let has = fs::fstat(&old)?;
    let mut content = Vec::new();
    let most = u64::try_from(bytes.len()).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::from(old).take(most).read_to_end(&mut content).map_err(|_| Errno::IO)?;
    if content == bytes && (has.st_mode & 0o7777, has.st_uid, has.st_gid) == (mode, owner.0, owner.1) {
        return Ok(false);
    }
    mount_set_writable(&own).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::PERM))?;
    let _ = fs::unlinkat(&dir, NEW, AtFlags::empty());
    let written = || -> Result<(), Errno> {
        let new = fs::openat(&dir, NEW, NEW_FILE, Mode::RUSR | Mode::WUSR)?;
        fs::fchown(&new, Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)))?;
        fs::fchmod(&new, Mode::from_bits_truncate(mode))?;
        let full = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
        std::fs::File::from(new).write_all(bytes).map_err(full)?;
        fs::renameat(&dir, NEW, &dir, name)
    };
    let done = written();
    if done.is_err() {
        let _ = fs::unlinkat(&dir, NEW, AtFlags::empty());
    }
    done.map(|()| true)
}
