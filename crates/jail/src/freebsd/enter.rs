//! Runs a command in a jail that is there: attached to it, as its user, with its limits.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use thinjail_plan::plan::{Command, Plan};
use thinjail_plan::step::{Confine, Step};
use thinjail_sys::freebsd::jail::Jid;
use thinjail_sys::freebsd::process::{Side, fork};

use super::child::{self, Child};
use super::message::Message;
use super::params::Params;
use super::start::hear;
use super::supervisor::outcome;
use crate::command::{Said, plan_of};
use crate::handed::Outlets;
use crate::run::{Outcome, RunError};

/// A jail that is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// As it was made.
    pub(super) plan: &'a Plan,
    /// Its number.
    pub(super) jid: Jid,
}

/// How often it is looked whether it is to stop.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
/// How often it is asked for its end, once it has closed what it could say it by.
const PAUSE: Duration = Duration::from_millis(2);

impl Place<'_> {
    /// Runs it to its end, unless it is to `stop`.
    pub(super) fn run(
        self,
        command: &Command,
        said: &mut Said,
        stop: &mut dyn FnMut() -> io::Result<bool>,
    ) -> Result<Outcome, RunError> {
        let plan = plan_of(self.plan, command);
        let params = plan.inside.iter().find_map(|planned| match &planned.step {
            Step::Confine(Confine::FreeBsd { params, .. }) => Some(params),
            _ => None,
        });
        let params = Params::new(params.map_or(&[][..], |params| &params[..]))?;
        let child = Child::prepare(&plan, params, false, Outlets::default())?.in_jail(self.jid);
        let failed = |cause: Errno| RunError::setup(format!("prepare {}", plan.exec.program), cause.into());
        let (report, childs_report) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
        let (out, childs_out) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
        let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        let pid = match fork()
            .map_err(|cause| RunError::setup(format!("start a process for {}", plan.exec.program), cause))?
        {
            Side::Parent(pid) => pid,
            Side::Child => {
                let placed = rustix::stdio::dup2_stdin(&null)
                    .and_then(|()| rustix::stdio::dup2_stdout(&childs_out))
                    .and_then(|()| rustix::stdio::dup2_stderr(&childs_out));
                if placed.is_err() {
                    thinjail_sys::freebsd::process::exit(1);
                }
                child.run(childs_report.as_fd(), childs_report.as_fd())
            }
        };
        drop((childs_report, childs_out));
        let ended = listen(&plan, pid, report, out, said, stop);
        if ended.is_err() {
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
        ended
    }
}

/// Hears it until it has ended. Others of its making may hold the pipe open for longer.
fn listen(
    plan: &Plan,
    pid: Pid,
    report: OwnedFd,
    out: OwnedFd,
    said: &mut Said,
    stop: &mut dyn FnMut() -> io::Result<bool>,
) -> Result<Outcome, RunError> {
    let program = &plan.exec.program;
    let waiting = |cause: io::Error| RunError::setup(format!("wait for {program}"), cause);
    let died = |cause: &str| RunError::setup(format!("run {program} inside"), io::Error::other(cause.to_owned()));
    let (mut report, mut out) = (Some(report), Some(out));
    let mut ready = false;
    loop {
        let mut fds: Vec<PollFd<'_>> =
            [&report, &out].into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        let idle = match fds.is_empty() {
            true => {
                std::thread::sleep(PAUSE);
                true
            }
            false => match poll(&mut fds, Some(&LOOK)) {
                Ok(count) => count == 0,
                Err(Errno::INTR) => false,
                Err(error) => return Err(waiting(error.into())),
            },
        };
        if idle && stop().map_err(waiting)? {
            return Err(died("it was told to stop before it had started"));
        }
        let heard: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        let of_report = report.is_some() && heard.first() == Some(&true);
        let of_out = out.is_some() && heard.last() == Some(&true) && (heard.len() == 2 || report.is_none());
        if of_out && out.as_ref().is_some_and(|out| !more(out, said)) {
            out = None;
        }
        if let Some(from) = report.as_ref().filter(|_| of_report) {
            match hear(from).map_err(waiting)? {
                Some(Message::Failed { phase, index, errno, words }) => {
                    return Err(child::explain(phase, index, errno, &words, &plan.name, &plan.exec));
                }
                Some(Message::Ready) => ready = true,
                Some(Message::Attached { .. }) => {}
                // execve(2) has closed it, or the end of the process.
                None => report = None,
            }
        }
        match waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => {
                let Some(outcome) = outcome(status) else { continue };
                // What it said last may still be in the pipes.
                if let Some(from) = &report
                    && let Ok(Some(Message::Failed { phase, index, errno, words })) = hear(from)
                {
                    return Err(child::explain(phase, index, errno, &words, &plan.name, &plan.exec));
                }
                if let Some(out) = &out {
                    rest(out, said);
                }
                return if ready || outcome != Outcome::Exited(1) || report.is_none() {
                    Ok(outcome)
                } else {
                    Err(died("it was killed while it started"))
                };
            }
            Ok(None) | Err(Errno::INTR) => {}
            Err(error) => return Err(waiting(error.into())),
        }
    }
}

/// Takes what is there; false at the end.
fn more(out: &OwnedFd, said: &mut Said) -> bool {
    let mut bytes = [0; 4096];
    match rustix::io::read(out, &mut bytes) {
        Ok(0) => false,
        Ok(count) => {
            said.add(&bytes[..count]);
            true
        }
        Err(error) => error == Errno::INTR,
    }
}

/// All that it had said by its end. What others still say is not waited for.
fn rest(out: &OwnedFd, said: &mut Said) {
    if rustix::fs::fcntl_setfl(out.as_fd(), OFlags::NONBLOCK).is_ok() {
        // A pipe holds no more than that; pipe(2).
        for _ in 0..16 {
            if !more(out, said) {
                return;
            }
        }
    }
}
