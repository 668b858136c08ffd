//! Pid 1, born before anything is known. Its namespaces are the longest part of what the kernel does for a start, and nearly every
//! plan asks for the same ones; so they are made while we look at the host, and it is told then what it is to do.

use std::os::fd::OwnedFd;

use rustix::net::sockopt;
use rustix::process::{Pid, Signal, pidfd_send_signal};
use thinjail_plan::spec::Spec;
use thinjail_sys::linux::process::{self, CloneFlags, Side};

use super::child::{self, now};
use super::handover::Bell;
use super::{channel, supervisor};

/// One that waits to be told. If it never is, it ends.
#[derive(Debug)]
pub(crate) struct Early {
    /// None once it is somebody else's, or dismissed.
    held: Option<Held>,
    /// It is killed, and waited for at the end.
    dismissed: Option<(OwnedFd, Pid)>,
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
                Some(Self { held: Some(held), dismissed: None })
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

    /// Dismisses it if no plan of this is fit for it: it ends while the plan is made, and nobody has to wait for that.
    pub(crate) fn judge(&mut self, spec: &Spec) {
        let fits = spec.supervisor != Some(false)
            && spec.isolation.is_none()
            && spec.network.as_deref().is_none_or(|network| network == "inherit")
            && spec.proc.as_deref().is_none_or(|proc| proc == "pid")
            && spec.listen.is_empty()
            && spec.before_start.is_empty();
        if !fits && let Some(Held { init, init_fd, .. }) = self.held.take() {
            let _ = pidfd_send_signal(&init_fd, Signal::KILL);
            self.dismissed = Some((init_fd, init));
        }
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            held.kill();
        }
        if let Some((init_fd, init)) = &self.dismissed {
            kill(init_fd, *init);
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
