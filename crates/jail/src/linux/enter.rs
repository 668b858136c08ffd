//! Runs a command in a jail that is there: in its namespaces and its groups, as its user, with its limits and its filter.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, pidfd_send_signal};
use rustix::thread::ThreadNameSpaceType;
use thinjail_plan::plan::{Command, Plan};
use thinjail_sys::linux::process::{self, CloneFlags, Side, Stack};

use super::child::Child;
use super::message::Message;
use super::supervisor::{self, outcome};
use super::{Heard, SLOW, channel, confinement, explain, hear, landlock, limits};
use crate::command::{Said, plan_of};
use crate::handed::Outlets;
use crate::os::linux::HostDir;
use crate::run::{Outcome, RunError};

/// A jail that is there.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// As it was made.
    pub(super) plan: &'a Plan,
    /// What was made for it on the host.
    pub(super) made: &'a [HostDir],
    /// A process in it.
    pub(super) member: BorrowedFd<'a>,
}

impl Place<'_> {
    /// Runs it to its end, unless it is to `stop`.
    pub(super) fn run(
        &self,
        command: &Command,
        said: &mut Said,
        stop: &mut dyn FnMut() -> io::Result<bool>,
    ) -> Result<Outcome, RunError> {
        let plan = plan_of(self.plan, command);
        let confinement = confinement(&plan)?;
        let files = confinement.landlocked.then(|| landlock::files(&plan, self.made)).transpose()?;
        let child = Child::prepare(
            &plan,
            &confinement,
            limits::entrances(&plan, self.made)?,
            files.as_deref(),
            Outlets::default(),
        )?;
        drop(files);
        let (report, childs_report) = channel()?;
        let failed = |cause: Errno| RunError::setup(format!("prepare {}", plan.exec.program), cause.into());
        let (out, childs_out) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
        let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        let stack = Stack::new();
        let parent = rustix::process::getpid();
        let begun = process::clone3(CloneFlags::NONE)
            .map_err(|cause| RunError::setup(format!("start a process for {}", plan.exec.program), cause))?;
        let (pid, pidfd) = match begun {
            Side::Parent { pid, pidfd } => (pid, pidfd),
            Side::Child => {
                drop((report, out));
                let spaces = namespaces(confinement.namespaces);
                child.enter(parent, self.member, spaces, childs_report, (&null, &childs_out), stack)
            }
        };
        drop((childs_report, childs_out));
        let ended = listen(&plan, &report, out, said, stop);
        if ended.is_err() {
            end(&pidfd);
        }
        let _ = supervisor::reap(pid);
        ended
    }
}

/// Has the process end, and the command before it. One that does not is killed.
fn end(process: &OwnedFd) {
    for _ in 0..TRIES {
        let _ = pidfd_send_signal(process, Signal::TERM);
        let mut fds = [PollFd::new(process, PollFlags::IN)];
        if matches!(poll(&mut fds, Some(&SLOW)), Ok(1)) {
            return;
        }
    }
    let _ = pidfd_send_signal(process, Signal::KILL);
}

/// How often it is told to end: four seconds.
const TRIES: u32 = 20;

/// Those that the jail has of its own. The user namespace is the supervisor's, too.
fn namespaces(names: &[String]) -> ThreadNameSpaceType {
    names.iter().fold(ThreadNameSpaceType::empty(), |all, name| {
        all | match name.as_str() {
            "mount" => ThreadNameSpaceType::MOUNT,
            "pid" => ThreadNameSpaceType::PROCESS_ID,
            "ipc" => ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION,
            "uts" => ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME,
            "net" => ThreadNameSpaceType::NETWORK,
            _ => ThreadNameSpaceType::empty(),
        }
    })
}

/// Hears it until it has ended. Others of its making may hold the pipe open for longer.
fn listen(
    plan: &Plan,
    report: &OwnedFd,
    out: OwnedFd,
    said: &mut Said,
    stop: &mut dyn FnMut() -> io::Result<bool>,
) -> Result<Outcome, RunError> {
    let program = &plan.exec.program;
    let waiting = |cause: io::Error| RunError::setup(format!("wait for {program}"), cause);
    let died = |cause: &str| RunError::setup(format!("run {program} inside"), io::Error::other(cause.to_owned()));
    let mut out = Some(out);
    loop {
        let mut fds = vec![PollFd::new(report, PollFlags::IN)];
        fds.extend(out.as_ref().map(|out| PollFd::new(out, PollFlags::IN)));
        match poll(&mut fds, Some(&SLOW)) {
            Ok(0) if stop().map_err(waiting)? => return Err(died("it was told to stop before it had started")),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(waiting(error.into())),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if ready.get(1) == Some(&true) && out.as_ref().is_some_and(|out| !more(out, said)) {
            out = None;
        }
        if ready.first() != Some(&true) {
            continue;
        }
        match hear(report).map_err(waiting)? {
            Heard::Message(Message::Failed { phase, index, errno }, _) => {
                return Err(explain::explain(phase, index, errno, &plan.exec, &[]));
            }
            Heard::Message(Message::Ended { status, .. }, _) => {
                if let Some(out) = out {
                    rest(&out, said);
                }
                return Ok(outcome(status));
            }
            Heard::Message(Message::Ready { .. }, _) => {}
            Heard::Message(..) => return Err(died("it said something that it never says")),
            Heard::End => return Err(died("it was killed while it started")),
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
        // A pipe holds no more than that; pipe(7).
        for _ in 0..16 {
            if !more(out, said) {
                return;
            }
        }
    }
}
