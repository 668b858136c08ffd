//! How pid 1 gets the tree: it is born before the tree is built, so that the kernel makes its namespaces meanwhile, and is
//! handed every mount as a descriptor over its socket; unix(7).
//!
//! Nothing is allocated on pid 1's side.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

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

/// Hands over a built tree.
pub(super) fn send(life: &OwnedFd, tree: &Tree) -> Result<(), RunError> {
    let send = || {
        part(life, ROOT, &[], Some(tree.root.as_fd()))?;
        for Late { what, at, .. } in &tree.late {
            let (kind, mount) = match what {
                LateMount::Mount(mount) => (MOUNT, Some(mount.as_fd())),
                LateMount::Proc => (PROC, None),
            };
            part(life, kind, at.to_bytes_with_nul(), mount)?;
        }
        part(life, DONE, &[], None)
    };
    heard(send(), "hand the tree over to the jail's init")
}

/// Lets the program be executed.
pub(super) fn go(life: &OwnedFd) -> Result<(), RunError> {
    let send = || rustix::net::send(life, &Message::Go.to_bytes(), SendFlags::NOSIGNAL);
    let sent = rustix::io::retry_on_intr(send);
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

fn part(life: &OwnedFd, kind: u8, path: &[u8], mount: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds: &[BorrowedFd<'_>] = mount.as_slice();
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
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let count = loop {
        match recvmsg(life, &mut [io::IoSliceMut::new(&mut buffer.0)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other?.bytes,
        }
    };
    let mount = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
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
        send(&here, &tree).unwrap();
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
        part(&here, ROOT, &[], None).unwrap();
        assert_eq!(receive(there.as_fd(), &mut Buffer::new()).unwrap_err(), Errno::MFILE);
    }
}
