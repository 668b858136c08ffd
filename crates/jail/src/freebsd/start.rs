//! Starts the child and hears it until the program runs.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use thinjail_plan::plan::Plan;
use thinjail_sys::freebsd::jail::Jid;
use thinjail_sys::freebsd::process::{self, Side, fork};

use super::Clock;
use super::child::{self, Child};
use super::enter::Place;
use super::hooks::{BEFORE, Hooks};
use super::message::{Message, SIZE};
use super::supervisor::{Jail, Signals};
use crate::command;
use crate::handed;
use crate::run::RunError;

/// How long a start may take before a signal to stop ends it. One that comes sooner waits, and is the program's.
const SLOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// A jail whose main process runs the program.
pub(super) fn start(
    plan: &Plan,
    child: Child,
    hooks: &Hooks<'_>,
    guardian: Pid,
    signals: &Signals,
    clock: &mut Clock,
) -> Result<Jail, RunError> {
    let (report, mut childs_report) = pipe_with(PipeFlags::CLOEXEC)
        .map_err(|cause| RunError::setup("make a pipe to the jail's first process".into(), cause.into()))?;
    let (mut childs_go, go) = pipe_with(PipeFlags::CLOEXEC)
        .map_err(|cause| RunError::setup("make a pipe to the jail's first process".into(), cause.into()))?;
    if let Some(top) = handed::top(plan) {
        childs_report = above(childs_report, top)?;
        childs_go = above(childs_go, top)?;
    }
    let begin = std::time::Instant::now();
    let cpus = child.cpus().to_vec();
    let main =
        match fork().map_err(|cause| RunError::setup(format!("start a process for {}", plan.exec.program), cause))? {
            Side::Parent(pid) => {
                // With it goes our end of what only the child is to write to.
                drop(child);
                pid
            }
            Side::Child => child.run(childs_report.as_fd(), childs_go.as_fd()),
        };
    drop((childs_report, childs_go));
    let jail = match await_exec(plan, (&report, &go), &cpus, hooks, signals) {
        Ok(jid) => Jail { main, jid, guardian },
        Err((error, jid)) => {
            let _ = kill_process(main, Signal::KILL);
            let _ = waitpid(Some(main), WaitOptions::empty());
            if let Some(jid) = jid {
                Jail { main, jid, guardian }.kill();
            }
            return Err(error);
        }
    };
    clock.phase("exec");
    clock.timings.fork_to_exec = begin.elapsed();
    Ok(jail)
}

/// The same descriptor by a greater number than the one that the program will know another by.
pub(super) fn above(fd: OwnedFd, number: i32) -> Result<OwnedFd, RunError> {
    rustix::io::fcntl_dupfd_cloexec(&fd, number.saturating_add(1))
        .map_err(|cause| RunError::setup(format!("keep the descriptor {number} free"), cause.into()))
}

/// Hears the child until execve(2) has closed its end, or a failure; with the jail's number, as soon as it has one.
fn await_exec(
    plan: &Plan,
    (report, go): (&OwnedFd, &OwnedFd),
    cpus: &[usize],
    hooks: &Hooks<'_>,
    signals: &Signals,
) -> Result<Jid, (RunError, Option<Jid>)> {
    let mut jid = None;
    let mut ready = false;
    let died =
        |cause: &str| RunError::setup(format!("start {}", plan.exec.program), io::Error::other(cause.to_owned()));
    let waiting = |cause| RunError::setup("hear of the jail's start".into(), cause);
    loop {
        match told_to_stop(report, signals) {
            Ok(false) => {}
            Ok(true) => return Err((died("it was told to stop before it had started"), jid)),
            Err(cause) => return Err((waiting(cause), jid)),
        }
        match hear(report) {
            Ok(Some(Message::Attached { jid: number })) => {
                jid = Some(Jid(number));
                if !cpus.is_empty() {
                    process::set_cpus(Jid(number), cpus).map_err(|cause| {
                        (RunError::setup("give the jail the processors of exec.cpuset".into(), cause), jid)
                    })?;
                }
                for which in BEFORE {
                    hooks.run(which, jid).map_err(|error| (error, jid))?;
                }
                let place = Place { plan, jid: Jid(number) };
                let mut enter = |command: &_, said: &mut _| place.run(command, said, &mut || signals.told_to_stop());
                command::all("before-start", &plan.before_start, &mut enter).map_err(|error| (error, jid))?;
                // Whoever does not wait for it may be the program by now.
                if hooks.any(&BEFORE) || !plan.before_start.is_empty() {
                    rustix::io::write(go, &[1]).map_err(|_| (died("it was killed while it started"), jid))?;
                }
            }
            Ok(Some(Message::Ready)) => ready = true,
            Ok(Some(Message::Failed { phase, index, errno, words })) => {
                let name = &plan.name;
                return Err((child::explain(phase, index, errno, &words, name, &plan.exec), jid));
            }
            Ok(None) => {
                return match jid {
                    Some(jid) if ready => Ok(jid),
                    _ => Err((died("it was killed while it started"), jid)),
                };
            }
            Err(cause) => return Err((waiting(cause), jid)),
        }
    }
}

/// Waits until there is something to hear. True if that takes its time, and we are told to stop meanwhile.
fn told_to_stop(report: &OwnedFd, signals: &Signals) -> io::Result<bool> {
    loop {
        let mut fds = [PollFd::new(report, PollFlags::IN)];
        match poll(&mut fds, Some(&SLOW)) {
            Ok(0) if signals.told_to_stop()? => return Ok(true),
            Ok(0) | Err(Errno::INTR) => {}
            other => return other.map(|_| false).map_err(io::Error::from),
        }
    }
}

/// The next message; none when the other end is closed.
pub(super) fn hear(report: &OwnedFd) -> io::Result<Option<Message>> {
    let mut bytes = [0; SIZE];
    let mut have = 0;
    while have < SIZE {
        match rustix::io::read(report, &mut bytes[have..]) {
            Ok(0) if have == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => have += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Message::from_bytes(&bytes).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
