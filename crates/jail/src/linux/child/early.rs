//! A child that is born before anything is known: it makes the namespaces meanwhile that nearly every plan asks for, and starts the
//! main process, which waits to be told what it is to be.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use rustix::thread::CapabilitySet;
use thinjail_plan::step::ProcView;
use thinjail_sys::linux::process::{self, CloneFlags, Stack};
use thinjail_sys::linux::seccomp::{set_filter, sock_filter};
use thinjail_sys::linux::signal;

use super::super::capability;
use super::super::handover::{self, Bell, Buffer};
use super::super::message::{MARKS, Message, Phase};
use super::{Child, EARLY, Failure, at, begin, io_at, namespaces, now, take_tree, tell};

/// What it does, to its end.
pub(in crate::linux) fn run(life: OwnedFd, report: OwnedFd, bell: &Bell) -> ! {
    let mut told = None;
    match start(&life, report.as_fd(), bell, &mut told) {
        Ok(main) => match told {
            Some(child) => {
                // What the main process has done for itself only. We execute nothing; all the same nothing is to be had from us.
                if capability::bound(CapabilitySet::empty(), false).is_err() {
                    process::exit(1);
                }
                child.attend(main, life, report)
            }
            // There is no plan, or it needs another child, or the main process has said why it could not go on.
            None => process::exit(1),
        },
        Err(failure) => {
            fail(report.as_fd(), failure);
            process::exit(1)
        }
    }
}

fn fail(report: BorrowedFd<'_>, Failure { phase, index, errno }: Failure) {
    tell(report, Message::Failed { phase, index, errno });
}

/// All but what only a plan says. The main process does the rest for both of us, in our memory and with our root, so that nothing has
/// to be made for it any more when it is told: there is then what it was `told`.
fn start(life: &OwnedFd, report: BorrowedFd<'_>, bell: &Bell, told: &mut Option<Child>) -> Result<Pid, Failure> {
    begin(life.as_fd())?;
    let proc = namespaces(EARLY, Some(ProcView::Pid))?;
    process::vfork(&mut Stack::new(), CloneFlags::FS, &mut || {
        if let Err(failure) = ignore(true) {
            fail(report, failure);
            return 1;
        }
        let failure = match hear(life.as_fd(), bell) {
            Ok(Some(child)) => told.insert(child).become_both((life.as_fd(), bell), report, proc.as_ref()),
            Ok(None) => return 1,
            Err(errno) => at(Phase::Plan)(errno),
        };
        fail(report, failure);
        1
    })
    .map_err(io_at(Phase::Fork))
}

/// What is sent to a whole group of processes, as by a terminal's keys: the supervisor takes it as data, and the main process, which is
/// born sooner, is a part of the caller's group until it has its own session.
fn ignore(ignored: bool) -> Result<(), Failure> {
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2]
        .into_iter()
        .try_for_each(|number| signal::ignore(number.as_raw(), ignored))
        .map_err(io_at(Phase::Guard))
}

fn hear(life: BorrowedFd<'_>, bell: &Bell) -> Result<Option<Child>, Errno> {
    bell.hear()?;
    let packed = handover::receive_packed(life, &mut Buffer::new())?;
    packed.map(|(packed, fds)| Child::unpack(&packed, fds)).transpose()
}

impl Child {
    /// What the main process does for pid 1, too, and then alone until it is the program. Comes back only with a failure.
    fn become_both(
        &self,
        (life, bell): (BorrowedFd<'_>, &Bell),
        report: BorrowedFd<'_>,
        proc: Option<&OwnedFd>,
    ) -> Failure {
        let mut marks = [0; MARKS];
        match self.settle_both((life, bell), proc, &mut marks) {
            Ok(filter) => self.await_word(Some((life, Some(bell))), report, &mut marks, filter),
            Err(failure) => failure,
        }
    }

    /// Gives the filter that is still to be set.
    fn settle_both(
        &self,
        (life, bell): (BorrowedFd<'_>, &Bell),
        proc: Option<&OwnedFd>,
        marks: &mut [u64; MARKS],
    ) -> Result<&[sock_filter], Failure> {
        for group in &self.cgroups {
            // Pid 1 as we call it, and whoever writes.
            rustix::io::write(group, b"1").map_err(at(Phase::Group))?;
            rustix::io::write(group, b"0").map_err(at(Phase::Group))?;
        }
        self.name_and_network()?;
        self.bound()?;
        self.session()?;
        let (sooner, later) = self.filter.in_two();
        if let Some(filter) = sooner {
            set_filter(filter).map_err(io_at(Phase::Filter))?;
        }
        marks[0] = now();
        bell.hear().map_err(at(Phase::Attach))?;
        take_tree(life, proc, marks)?;
        // From here on each has its own.
        process::unshare(CloneFlags::FS).map_err(io_at(Phase::Attach))?;
        marks[3] = now();
        marks[4] = marks[3];
        self.drop_privileges()?;
        ignore(false)?;
        Ok(later)
    }
}
