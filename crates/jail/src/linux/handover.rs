//! How pid 1 gets the tree: it is born before the tree is built, so that the kernel makes its namespaces meanwhile, and is
//! handed every mount as a descriptor over its socket; unix(7). One that is born before there is a plan is handed first what it
//! is to do.
//!
//! Nothing is allocated on pid 1's side for the tree.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

use super::message::Message;
use super::tree::{Late, LateMount, Tree};
use crate::run::RunError;

/// A kind byte, then the path of a late mount with its NUL; PATH_MAX of linux/limits.h.
const SIZE: usize = 1 + 4096;

const ROOT: u8 = b'r';
const MOUNT: u8 = b'm';
const PROC: u8 = b'p';
const DONE: u8 = b'd';
const PLAN: u8 = b'c';

/// As many descriptors come with what is packed at most.
pub(super) const MOST: usize = 16;

/// Hands over what is to be done to one that was born before it was known, packed behind the length of it all.
pub(super) fn send_packed(to: To<'_>, packed: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), RunError> {
    let (first, rest) = packed.split_at_checked(SIZE - 1).unwrap_or((packed, &[]));
    let send = || {
        first_part(to, PLAN, first, fds)?;
        rest.chunks(SIZE - 1).try_for_each(|chunk| part(to.0, PLAN, chunk, &[]))
    };
    heard(send(), "tell the jail's init what is to be done")
}

/// Bytes and what came with them.
pub(super) type Packed = (Vec<u8>, Vec<OwnedFd>);

/// Waits for that, and gives it without the length. None: the supervisor has ended, or there is nothing to be done.
pub(super) fn receive_packed(life: BorrowedFd<'_>, buffer: &mut Buffer) -> Result<Option<Packed>, Errno> {
    let (mut packed, mut fds) = (Vec::new(), Vec::new());
    let mut left = None;
    while left != Some(0) {
        let count = next(life, buffer, &mut |fd| fds.push(fd))?;
        let mut chunk = match buffer.0[..count].split_first() {
            Some((&PLAN, chunk)) => chunk,
            Some(_) => return Err(Errno::PROTO),
            None => return Ok(None),
        };
        let rest = match left {
            Some(rest) => rest,
            None => {
                let (length, rest) = chunk.split_first_chunk().ok_or(Errno::PROTO)?;
                chunk = rest;
                let length = u32::from_ne_bytes(*length) as usize;
                packed.reserve_exact(length);
                length
            }
        };
        packed.extend_from_slice(chunk);
        left = Some(rest.checked_sub(chunk.len()).ok_or(Errno::PROTO)?);
    }
    Ok(Some((packed, fds)))
}

/// Wakes one that waits for something to be sent. A message by itself would have the kernel take it to the sender's processor, as
/// if that were about to sleep, and not to the one that has nothing to do.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub(super) fn new() -> Result<Self, Errno> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::SEMAPHORE).map(Self)
    }

    /// Something has been sent.
    pub(super) fn ring(&self) {
        // It fails at 2^64 only.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Waits for one ring. Whoever rings ends us with itself.
    pub(super) fn hear(&self) -> Result<(), Errno> {
        let mut count = [0; 8];
        rustix::io::retry_on_intr(|| rustix::io::read(&self.0, &mut count)).map(drop)
    }
}

/// Over what it is spoken to, and what is rung if there is that.
pub(super) type To<'a> = (&'a OwnedFd, Option<&'a Bell>);

/// Hands over a built tree.
pub(super) fn send(to: To<'_>, tree: &Tree) -> Result<(), RunError> {
    let send = || {
        let (life, _) = to;
        first_part(to, ROOT, &[], &[tree.root.as_fd()])?;
        for Late { what, at, .. } in &tree.late {
            let (kind, mount) = match what {
                LateMount::Mount(mount) => (MOUNT, Some(mount.as_fd())),
                LateMount::Proc => (PROC, None),
            };
            part(life, kind, at.to_bytes_with_nul(), mount.as_slice())?;
        }
        part(life, DONE, &[], &[])
    };
    heard(send(), "hand the tree over to the jail's init")
}

/// Lets the program be executed.
pub(super) fn go((life, bell): To<'_>) -> Result<(), RunError> {
    let send = || rustix::net::send(life, &Message::Go.to_bytes(), SendFlags::NOSIGNAL);
    let sent = rustix::io::retry_on_intr(send);
    bell.into_iter().for_each(Bell::ring);
    heard(sent.map(drop).map_err(io::Error::from), "let the program be executed")
}

/// Whoever hears nothing waits for good, so that is an error. Only one who is gone needs no word, and has told why, or that is
/// seen next.
fn heard(sent: io::Result<()>, what: &str) -> Result<(), RunError> {
    match sent {
        Err(error)
            if !matches!(Errno::from_io_error(&error), Some(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN)) =>
        {
            Err(RunError::setup(what.to_owned(), error))
        }
        _ => Ok(()),
    }
}

/// The bell is rung for the first one: where there are more than a socket holds, they have to be taken from it meanwhile.
fn first_part((life, bell): To<'_>, kind: u8, path: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    part(life, kind, path, fds)?;
    bell.into_iter().for_each(Bell::ring);
    Ok(())
}

fn part(life: &OwnedFd, kind: u8, path: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    let parts = [io::IoSlice::new(std::slice::from_ref(&kind)), io::IoSlice::new(path)];
    loop {
        match sendmsg(life, &parts, &mut control, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            other => return other.map(drop).map_err(io::Error::from),
        }
    }
}

/// What pid 1 is handed.
#[derive(Debug)]
pub(super) enum Part<'a> {
    /// The root, detached. Comes first.
    Root(OwnedFd),
    /// A mount and its place below the root.
    Mount(OwnedFd, &'a CStr),
    /// The place below the root of pid 1's own proc(5).
    Proc(&'a CStr),
    /// That was all.
    Done,
}

/// Memory for one part.
#[derive(Debug)]
pub(super) struct Buffer([u8; SIZE]);

impl Buffer {
    pub(super) const fn new() -> Self {
        Self([0; SIZE])
    }
}

/// Waits for the next part. None: the supervisor has ended, or could not build the tree.
pub(super) fn receive<'a>(life: BorrowedFd<'_>, buffer: &'a mut Buffer) -> Result<Option<Part<'a>>, Errno> {
    let mut mount = None;
    let count = next(life, buffer, &mut |fd| mount = Some(fd))?;
    let Some((kind, path)) = buffer.0[..count].split_first() else { return Ok(None) };
    let path = CStr::from_bytes_until_nul(path).unwrap_or_default();
    match (*kind, mount) {
        (ROOT, Some(root)) => Ok(Some(Part::Root(root))),
        (MOUNT, Some(mount)) => Ok(Some(Part::Mount(mount, path))),
        (PROC, None) => Ok(Some(Part::Proc(path))),
        (DONE, None) => Ok(Some(Part::Done)),
        // A descriptor gets lost where RLIMIT_NOFILE leaves no room for it.
        (ROOT | MOUNT, None) => Err(Errno::MFILE),
        _ => Err(Errno::PROTO),
    }
}

/// The next message, whose descriptors are for `take`; its length, 0 if there is none any more.
fn next(life: BorrowedFd<'_>, buffer: &mut Buffer, take: &mut dyn FnMut(OwnedFd)) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let count = loop {
        match recvmsg(life, &mut [io::IoSliceMut::new(&mut buffer.0)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other?.bytes,
        }
    };
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(sent) = message {
            sent.for_each(&mut *take);
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use thinjail_plan::path::RootPath;

    fn file() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    fn channel() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn every_part_arrives_in_order_with_its_mount_and_place() {
        let late = |what, at: &str| Late { what, at: std::ffi::CString::new(at).unwrap(), shown: RootPath::root() };
        let long = "d/".repeat(2047);
        let tree = Tree {
            root: file(),
            socket: None,
            late: vec![late(LateMount::Proc, "proc"), late(LateMount::Mount(file()), &long)],
        };
        let (here, there) = channel();
        send((&here, None), &tree).unwrap();
        let mut buffer = Buffer::new();
        let mut next = || format!("{:?}", receive(there.as_fd(), &mut buffer).unwrap());
        assert!(next().starts_with("Some(Root("));
        assert_eq!(next(), "Some(Proc(\"proc\"))");
        let mount = next();
        assert!(mount.starts_with("Some(Mount(") && mount.contains(&long), "{mount}");
        assert_eq!(next(), "Some(Done)");
    }

    #[test]
    fn the_end_of_the_supervisor_is_no_part() {
        let (here, there) = channel();
        drop(here);
        assert!(receive(there.as_fd(), &mut Buffer::new()).unwrap().is_none());
    }

    #[test]
    fn a_root_without_a_descriptor_is_an_error() {
        let (here, there) = channel();
        part(&here, ROOT, &[], &[]).unwrap();
        assert_eq!(receive(there.as_fd(), &mut Buffer::new()).unwrap_err(), Errno::MFILE);
    }
}
