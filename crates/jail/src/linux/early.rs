//! Pid 1, born before anything is known. Its namespaces are the longest part of what the kernel does for a start, and nearly every
//! plan asks for the same ones; so they are made while we look at the host, and it is told then what it is to do.

use std::os::fd::OwnedFd;

use rustix::net::sockopt;
use rustix::process::{Pid, Signal, pidfd_send_signal};
use thinjail_sys::linux::process::{self, CloneFlags, Side};

use super::child::{self, now};
use super::handover::Bell;
use super::{channel, supervisor};

/// One that waits to be told. If it never is, it ends.
#[derive(Debug)]
pub(crate) struct Early {
    /// None once it is somebody else's.
    held: Option<Held>,
}

/// A pid 1 and what it is spoken to by.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) init: Pid,
    pub(super) init_fd: OwnedFd,
    pub(super) life: OwnedFd,
    pub(super) report: OwnedFd,
    /// Rung for each of what is sent until the program is: what is to be done, the tree, the word. None where that is not waited for.
    pub(super) bell: Option<Bell>,
    /// When it was born.
    pub(super) begin: u64,
}

impl Early {
    /// As root. None where that fails: then it is tried again with a plan, and told as what keeps that from being carried out.
    pub(crate) fn begin() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let (life, childs_life) = channel().ok()?;
        let (report, childs_report) = channel().ok()?;
        // The kernel then tells us the sender's pid as it is on the host, whatever it is inside; unix(7).
        sockopt::set_socket_passcred(&report, true).ok()?;
        let bell = Bell::new().ok()?;
        let begin = now();
        match process::clone3(CloneFlags::NEWPID).ok()? {
            Side::Parent { pid, pidfd } => {
                let held = Held { init: pid, init_fd: pidfd, life, report, bell: Some(bell), begin };
                Some(Self { held: Some(held) })
            }
            Side::Child => {
                drop((life, report));
                child::early::run(childs_life, childs_report, &bell)
            }
        }
    }

    /// It is to be told now.
    pub(super) fn take(&mut self) -> Option<Held> {
        self.held.take()
    }

    /// It has nothing to do any more. What is dropped later is waited for less.
    pub(super) fn dismiss(&self) {
        if let Some(held) = &self.held {
            let _ = pidfd_send_signal(&held.init_fd, Signal::KILL);
        }
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            held.kill();
        }
    }
}

impl Held {
    pub(super) fn kill(&self) {
        kill(&self.init_fd, self.init);
    }
}

/// Ends a pid 1 and all that is in its namespaces, and waits until it is gone.
pub(super) fn kill(init_fd: &OwnedFd, init: Pid) {
    let _ = pidfd_send_signal(init_fd, Signal::KILL);
    let _ = supervisor::reap(init);
}
