//! The process that runs a command in a jail that is there. It stays outside of the jail's pid namespace, and starts the command
//! in it as pid 1 starts the main process.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Signal};
use rustix::thread::{self, ThreadNameSpaceType};
use thinjail_sys::linux::process::{self, CloneFlags, Stack};
use thinjail_sys::linux::signal;

use super::super::message::{MARKS, Message, Phase};
use super::{Child, Failure, at, io_at, tell};
use crate::supervise::machine;

impl Child {
    /// What a process of the supervisor does, to its end, that runs a command in a jail that is there: it starts the command as
    /// pid 1 starts the main process, and tells how it ended.
    pub(in crate::linux) fn enter(
        &self,
        parent: rustix::process::Pid,
        member: BorrowedFd<'_>,
        spaces: ThreadNameSpaceType,
        report: OwnedFd,
        stdio: (&OwnedFd, &OwnedFd),
        mut stack: Stack,
    ) -> ! {
        let message = match self.run_in(parent, member, spaces, report.as_fd(), stdio, &mut stack) {
            Ok(status) => Message::Ended { status, left: false },
            Err(Failure { phase, index, errno }) => Message::Failed { phase, index, errno },
        };
        tell(report.as_fd(), message);
        process::exit(0)
    }

    fn run_in(
        &self,
        parent: rustix::process::Pid,
        member: BorrowedFd<'_>,
        spaces: ThreadNameSpaceType,
        report: BorrowedFd<'_>,
        (input, output): (&OwnedFd, &OwnedFd),
        stack: &mut Stack,
    ) -> Result<i32, Failure> {
        // As pid 1 does it: nothing of the jail may look into us once we are in there.
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(at(Phase::Guard))?;
        signal::all_default().map_err(io_at(Phase::Guard))?;
        // If we were killed, the command's parent would be whoever reaps the host's orphans, and as long as that one does not, the
        // jail could not end: its pid 1 waits for all that was ever in its namespace. So we only let go after the command.
        for number in [machine::signal::HUP, machine::signal::INT, machine::signal::QUIT, machine::signal::TERM] {
            signal::interrupts_only(number).map_err(io_at(Phase::Guard))?;
        }
        rustix::process::set_parent_process_death_signal(Some(Signal::TERM)).map_err(at(Phase::Guard))?;
        if rustix::process::getppid() != Some(parent) {
            process::exit(1);
        }
        rustix::stdio::dup2_stdin(input).map_err(at(Phase::Descriptors))?;
        rustix::stdio::dup2_stdout(output).map_err(at(Phase::Descriptors))?;
        rustix::stdio::dup2_stderr(output).map_err(at(Phase::Descriptors))?;
        for group in &self.cgroups {
            rustix::io::write(group, b"0").map_err(at(Phase::Group))?;
        }
        if !self.landlocked {
            // Of the pid namespace only what we start is a part.
            thread::move_into_thread_name_spaces(member, spaces).map_err(at(Phase::Namespaces))?;
        }
        let mut marks = [0; MARKS];
        let main = process::vfork(stack, CloneFlags::NONE, &mut || {
            let Failure { phase, index, errno } = self.become_program(None, report, &mut marks);
            tell(report, Message::Failed { phase, index, errno });
            1
        })
        .map_err(io_at(Phase::Fork))?;
        loop {
            match rustix::process::waitpid(Some(main), rustix::process::WaitOptions::empty()) {
                Ok(Some((_, status))) => return Ok(status.as_raw()),
                // It is ours until we have waited for it.
                Err(Errno::INTR) => drop(rustix::process::kill_process(main, Signal::KILL)),
                Ok(None) => {}
                Err(errno) => return Err(at(Phase::Fork)(errno)),
            }
        }
    }
}
