//! A command in a running jail: a mount namespace of its own, and the jail's other ones.
//!
//! What of ours enters the jail is one process, born in its pid namespace: not dumpable from before its birth until it is the
//! command, so that nobody inside can trace it, open its memory or follow its `exe` to our program (CVE-2019-5736). It takes a
//! tree that was built outside, and resolves no path inside.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::thread::{CapabilitySet, ThreadNameSpaceType, move_into_thread_name_spaces};
use thinjail_plan::join::Joined;
use thinjail_plan::path::HostPath;
use thinjail_plan::plan::Plan;
use thinjail_sys::linux::process::{self, CloneFlags, Side};

use super::borrow::Borrowed;
use super::child::Child;
use super::message::{Message, Phase};
use super::supervisor::{Signals, outcome};
use super::terminal::Terminal;
use super::tree::{self, Tree};
use super::{Heard, capability, check, confinement, explain, handover, hear};
use crate::claim::lives;
use crate::exec::Running;
use crate::handed::Outlets;
use crate::os::cgroup;
use crate::os::linux::HostDir;
use crate::run::{Outcome, RunError};

/// Runs the command to its end.
pub(crate) fn exec(joined: &Joined, running: &Running, terminal: bool) -> Result<Outcome, RunError> {
    let plan = &shielded(&joined.plan, terminal);
    check(plan)?;
    let failed = |what: &str, cause: Errno| RunError::setup(format!("{what} {}", plan.name), cause.into());
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|cause| failed("keep others from tracing what enters", cause))?;
    let signals = Signals::take().map_err(|cause| RunError::setup("take signals as data".into(), cause))?;
    rustix::process::umask(rustix::fs::Mode::empty());
    let init = init_of(running).ok_or_else(|| RunError::setup(format!("enter {}", plan.name), ended()))?;
    let groups = entrances(&running.groups)?;
    let borrowed = Borrowed::from(&init, joined)?;
    let child = Child::prepare(plan, &confinement(plan)?, groups, None, Outlets::default())?;
    let terminal = terminal
        .then(Terminal::open)
        .transpose()
        .map_err(|cause| RunError::setup("make a terminal for the command".into(), cause))?;
    let (mut terminal, theirs) = terminal.map_or((None, None), |(ours, theirs)| (Some(ours), Some(theirs)));
    let (life, childs_life) = channel()?;
    let (report, childs_report) = channel()?;
    // The pid namespace is that of our children from now on.
    let all = ThreadNameSpaceType::PROCESS_ID
        | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
        | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
        | ThreadNameSpaceType::NETWORK;
    move_into_thread_name_spaces(init.as_fd(), all).map_err(|cause| failed("enter the namespaces of", cause))?;
    let side = process::clone3(CloneFlags::NONE)
        .map_err(|cause| RunError::setup(format!("start a process in {}", plan.name), cause))?;
    let (pid, held) = match side {
        Side::Parent { pid, pidfd } => (pid, pidfd),
        Side::Child => {
            drop((life, report));
            child.run_beside(&childs_life, childs_report.as_fd(), theirs.as_ref())
        }
    };
    drop((childs_life, childs_report, theirs));
    let started = tree::build(&plan.inside, &[], Some(&borrowed)).and_then(|tree| {
        handover::send((&life, None), &tree)?;
        let Tree { late, .. } = tree;
        await_exec(plan, &report, &late.into_iter().map(|late| late.shown).collect::<Vec<_>>())
    });
    if let Err(error) = started {
        let _ = pidfd_send_signal(&held, Signal::KILL);
        let _ = super::supervisor::reap(pid);
        return Err(error);
    }
    drop(borrowed);
    attend(pid, &held, &signals, terminal.as_mut())
        .map_err(|cause| RunError::setup(format!("attend to {}", plan.exec.program), cause))
}

fn ended() -> std::io::Error {
    std::io::Error::other("it has just ended")
}

fn channel() -> Result<(OwnedFd, OwnedFd), RunError> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(|cause| RunError::setup("make a socket to the command".into(), cause.into()))
}

/// The plan with what only this process knows: whether there is a terminal, and whether it has the capability itself that is to
/// shield the command.
fn shielded(plan: &Plan, terminal: bool) -> Plan {
    let mut plan = plan.clone();
    // It begins its own session by itself.
    plan.exec.tty = terminal;
    let own = rustix::thread::capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.permitted);
    plan.exec
        .capabilities
        .retain(|name| capability::set(std::slice::from_ref(name)).map_or(true, |one| own.contains(one)));
    plan
}

/// Pid 1 of the jail: the main process's parent. While it is held, and the main process lives and has that parent, it is that one.
fn init_of(running: &Running) -> Option<OwnedFd> {
    let parent = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", running.main.pid)).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    let init: i32 = parent()?;
    let held = pidfd_open(Pid::from_raw(init)?, PidfdFlags::empty()).ok()?;
    (lives(running.main) && parent() == Some(init)).then_some(held)
}

/// By which a process enters each of the groups.
fn entrances(groups: &[HostPath]) -> Result<Vec<OwnedFd>, RunError> {
    let open = |path: &HostPath| -> std::io::Result<OwnedFd> {
        let fd = crate::look::directory(path, rustix::fs::OFlags::PATH)?;
        cgroup::entrance(&HostDir { path: path.clone(), fd })
    };
    let failed = |path: &HostPath, cause| RunError::setup(format!("open {path}/cgroup.procs"), cause);
    groups.iter().map(|path| open(path).map_err(|cause| failed(path, cause))).collect()
}

/// Hears the child until execve(2) has closed its end, or a failure.
fn await_exec(plan: &Plan, report: &OwnedFd, late: &[thinjail_plan::path::RootPath]) -> Result<(), RunError> {
    let died = || RunError::setup(format!("start {}", plan.exec.program), ended());
    let mut ready = false;
    loop {
        match hear(report).map_err(|cause| RunError::setup("hear of the command's start".into(), cause))? {
            Heard::Message(Message::Failed { phase, index, errno }, _) => {
                return Err(explain::explain(phase, index, errno, &plan.exec, late));
            }
            Heard::Message(Message::Ready { .. }, _) => ready = true,
            Heard::Message(..) => return Err(died()),
            Heard::End if ready => return Ok(()),
            Heard::End => return Err(died()),
        }
    }
}

/// Hands signals on, carries what is typed and said, and waits for the end.
fn attend(
    pid: Pid,
    held: &OwnedFd,
    signals: &Signals,
    mut terminal: Option<&mut Terminal>,
) -> std::io::Result<Outcome> {
    if let Some(terminal) = &mut terminal {
        terminal.take_keys()?;
    }
    loop {
        let (signalled, over, typed, said) = {
            let mut fds = vec![PollFd::new(signals.fd(), PollFlags::IN), PollFd::new(held, PollFlags::IN)];
            if let Some(terminal) = &terminal {
                fds.extend(terminal.polled());
            }
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
            (ready(0), ready(1), ready(2), ready(3))
        };
        if signalled && let Some(received) = signals.next()? {
            match (&terminal, received.signal) {
                (Some(terminal), crate::supervise::machine::signal::WINCH) => terminal.resize(),
                (_, number) => {
                    if let Some(signal) = Signal::from_named_raw(number) {
                        let _ = pidfd_send_signal(held, signal);
                    }
                }
            }
        }
        if over {
            if let Some(terminal) = &mut terminal {
                terminal.finish();
            }
            return status(pid);
        }
        if let Some(terminal) = &mut terminal {
            terminal.carry(typed, said)?;
        }
    }
}

fn status(pid: Pid) -> std::io::Result<Outcome> {
    loop {
        match rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(outcome(status.as_raw())),
            Ok(None) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What has no other place to be told apart by: the command's own session and terminal.
pub(super) fn take_terminal(theirs: &OwnedFd) -> Result<(), (Phase, Errno)> {
    let at = |errno| (Phase::Session, errno);
    rustix::process::setsid().map_err(at)?;
    rustix::process::ioctl_tiocsctty(theirs).map_err(at)?;
    rustix::stdio::dup2_stdin(theirs).map_err(at)?;
    rustix::stdio::dup2_stdout(theirs).map_err(at)?;
    rustix::stdio::dup2_stderr(theirs).map_err(at)
}
