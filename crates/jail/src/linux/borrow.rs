//! Mounts of a running jail, cloned for a second tree.
//!
//! A process of ours enters the jail's mount namespace, and no other one: nobody in the jail can see it or trace it. It opens
//! places below the root without following any link, takes nothing but their mounts out, and executes nothing.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::io::{self, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg, socketpair,
};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};
use thinjail_closure::tree::{FileId, Kind};
use thinjail_plan::join::Joined;
use thinjail_plan::path::RootPath;
use thinjail_plan::step::Step;
use thinjail_sys::linux::process::{self, CloneFlags, Side};

use super::source::COPIED_MOST;
use super::supervisor::reap;
use super::tree::WITHIN;
use crate::run::RunError;

/// PATH_MAX of linux/limits.h.
const PATH: usize = 4096;

/// What a jail has at a place.
#[derive(Debug)]
pub(super) enum Lent {
    /// A mount that can be attached elsewhere.
    Mount(OwnedFd, Kind),
    /// A file that was removed or replaced on the host, which the kernel lets nobody mount a second time; its content, if it is
    /// a small one.
    Nameless(Option<Vec<u8>>),
}

/// The process that has entered the jail, and what it is asked for.
#[derive(Debug)]
pub(super) struct Borrowed<'a> {
    lender: OwnedFd,
    pid: rustix::process::Pid,
    name: &'a str,
    shared: &'a [RootPath],
    /// Which file has to be at a place.
    same: BTreeMap<&'a RootPath, FileId>,
}

impl<'a> Borrowed<'a> {
    /// Sends a process of ours into the mount namespace of a jail, whose pid 1 `init` is.
    pub(super) fn from(init: &OwnedFd, joined: &'a Joined) -> Result<Self, RunError> {
        let name = &joined.plan.name;
        let failed = |cause: io::Error| RunError::setup(format!("look at the mounts of {name}"), cause);
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(|cause| failed(cause.into()))?;
        let pid = match process::clone3(CloneFlags::NONE).map_err(failed)? {
            Side::Parent { pid, .. } => pid,
            Side::Child => {
                drop(ours);
                process::exit(i32::from(lend(init, &theirs).is_err()))
            }
        };
        let steps = joined.plan.inside.iter();
        let same = steps.filter_map(|planned| match &planned.step {
            Step::Bind { at, source, .. } if joined.same.contains(at) => Some((at, source.id?)),
            _ => None,
        });
        Ok(Self { lender: ours, pid, name, shared: &joined.shared, same: same.collect() })
    }

    /// What the jail has at a place, if that is what is wanted there.
    pub(super) fn mount(&self, at: &RootPath, step: &Step) -> Result<Option<Lent>, RunError> {
        if !self.shared.contains(at) {
            return Ok(None);
        }
        let failed =
            |cause: io::Error| RunError::setup(format!("take {at} from the running jail {}", self.name), cause);
        let mount = self.ask(at).map_err(|cause| failed(cause.into()).help(gone(cause)))?;
        self.check(at, &mount).map_err(failed)?;
        let stat = fs::fstat(&mount).map_err(|cause| failed(cause.into()))?;
        let directory = FileType::from_raw_mode(stat.st_mode).is_dir();
        let is_place = match step {
            Step::Bind { source, .. } => (source.kind == Kind::Directory) == directory,
            Step::Tmpfs { .. } => directory,
            _ => !directory,
        };
        if !is_place {
            return Err(failed(io::Error::other("it is not what was mounted there")));
        }
        if has_no_name(&mount) {
            return Ok(Some(Lent::Nameless(content(&mount).ok())));
        }
        Ok(Some(Lent::Mount(mount, if directory { Kind::Directory } else { Kind::File })))
    }

    /// Whether what is open is the file that has to be at a place.
    pub(super) fn check(&self, at: &RootPath, file: &OwnedFd) -> io::Result<()> {
        let Some(id) = self.same.get(at) else { return Ok(()) };
        let stat = fs::fstat(file)?;
        match (stat.st_dev, stat.st_ino) == (id.dev, id.ino) {
            true => Ok(()),
            false => Err(io::Error::other("the jail has another file there than the host: restart the jail")),
        }
    }

    fn ask(&self, at: &RootPath) -> Result<OwnedFd, Errno> {
        let mut path = at.as_str().as_bytes().to_vec();
        path.push(0);
        send(&self.lender, &path, SendFlags::NOSIGNAL)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut errno = [0; 4];
        loop {
            match recvmsg(&self.lender, &mut [io::IoSliceMut::new(&mut errno)], &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => {}
                Ok(received) if received.bytes != errno.len() => return Err(Errno::PIPE),
                other => break other.map(drop)?,
            }
        }
        let mount = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        match (i32::from_ne_bytes(errno), mount) {
            (0, Some(mount)) => Ok(mount),
            (0, None) => Err(Errno::MFILE),
            (errno, _) => Err(Errno::from_raw_os_error(errno)),
        }
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        // It ends when nobody asks any more, whoever has inherited our side.
        let _ = rustix::net::shutdown(&self.lender, rustix::net::Shutdown::Both);
        let _ = reap(self.pid);
    }
}

/// Whether no name leads to it any more. /proc says so of our own descriptor; nothing of the jail is asked.
fn has_no_name(mount: &OwnedFd) -> bool {
    let link = std::fs::read_link(own(mount)).unwrap_or_default();
    link.as_os_str().as_encoded_bytes().ends_with(b" (deleted)")
}

fn own(mount: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", mount.as_raw_fd())
}

fn content(mount: &OwnedFd) -> io::Result<Vec<u8>> {
    let stat = fs::fstat(mount)?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() || u64::try_from(stat.st_size).unwrap_or(u64::MAX) > COPIED_MOST
    {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let file = fs::open(own(mount), OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = Vec::new();
    io::Read::take(std::fs::File::from(file), COPIED_MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn gone(cause: Errno) -> Option<String> {
    (cause == Errno::NOENT || cause == Errno::LOOP || cause == Errno::NOTDIR)
        .then(|| "the jail has moved it away, or has ended: see `thinjail status`".to_owned())
}

/// What that process does, to its end.
fn lend(init: &OwnedFd, socket: &OwnedFd) -> Result<(), Errno> {
    // Root and working directory are the namespace's now.
    move_into_thread_name_spaces(init.as_fd(), ThreadNameSpaceType::MOUNT)?;
    let root = fs::open(c"/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut path = [0; PATH];
    loop {
        let count = match recv(socket, &mut path, RecvFlags::empty()) {
            Ok((0, _)) => return Ok(()),
            Ok((count, _)) => count,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        };
        let place = CStr::from_bytes_until_nul(&path[1..count]).map_err(|_| Errno::INVAL)?;
        let found = clone(&root, place);
        answer(socket, found.as_ref().map(AsFd::as_fd))?;
    }
}

/// A mount with all that is mounted below it.
fn clone(root: &OwnedFd, place: &CStr) -> Result<OwnedFd, Errno> {
    let found = fs::openat2(root, place, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty(), WITHIN)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    open_tree(&found, c"", flags)
}

fn answer(socket: &OwnedFd, mount: Result<BorrowedFd<'_>, &Errno>) -> Result<(), Errno> {
    let errno = mount.as_ref().map_or_else(|errno| errno.raw_os_error(), |_| 0).to_ne_bytes();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds: Vec<_> = mount.into_iter().collect();
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&fds));
    }
    sendmsg(socket, &[io::IoSlice::new(&errno)], &mut control, SendFlags::NOSIGNAL).map(drop)
}
