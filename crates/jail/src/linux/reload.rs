//! A reload of a jail that runs: asked for by SIGHUP to its supervisor, which has a process of its own do it, or by name.

use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use thinjail_plan::plan::Plan;
use thinjail_plan::step::Step;
use thinjail_sys::linux::process::{self, CloneFlags, Side};
use thinjail_sys::linux::signal;

use super::enter::Place;
use super::supervisor::send;
use crate::command;
use crate::journal::line::{Process, Running};
use crate::look;
use crate::os::linux::HostDir;
use crate::run::RunError;
use crate::state::started;
use crate::supervise::reload::Reload;

/// A process that does it.
#[derive(Debug)]
struct Helper {
    pid: Pid,
    fd: OwnedFd,
}

/// The supervisor's side.
#[derive(Debug)]
pub(super) struct Reloads<'a> {
    state: Reload,
    helper: Option<Helper>,
    /// What is reloaded by more than SIGHUP, and its main process.
    place: Option<(&'a Plan, &'a [HostDir], OwnedFd)>,
    /// The jail's log, which is no one's standard error; none where the caller's own output is the jail's.
    output: Option<OwnedFd>,
}

impl<'a> Reloads<'a> {
    /// Of a jail whose main process is `main`. One that SIGHUP alone reloads needs no help.
    pub(super) fn new((plan, made): (&'a Plan, &'a [HostDir]), main: &OwnedFd, output: Option<OwnedFd>) -> Self {
        let own = (!plan.reload.is_plain()).then(|| rustix::io::fcntl_dupfd_cloexec(main, 0).ok());
        let place = own.flatten().map(|main| (plan, made, main));
        Self { state: Reload::Idle, helper: None, place, output }
    }

    /// SIGHUP has come; false where it is only to be handed on.
    pub(super) fn asked(&mut self) -> io::Result<bool> {
        if self.place.is_none() {
            return Ok(false);
        }
        self.go_on(Reload::asked).map(|()| true)
    }

    /// Another process is the main one.
    pub(super) fn follow(&mut self, found: &OwnedFd) {
        if let Some((_, _, main)) = &mut self.place
            && let Ok(own) = rustix::io::fcntl_dupfd_cloexec(found, 0)
        {
            *main = own;
        }
    }

    /// To wait upon.
    pub(super) fn fd(&self) -> Option<&OwnedFd> {
        self.helper.as_ref().map(|helper| &helper.fd)
    }

    /// The one that was waited for has ended.
    pub(super) fn ended(&mut self) -> io::Result<()> {
        if let Some(helper) = self.helper.take() {
            super::supervisor::reap(helper.pid)?;
        }
        self.go_on(Reload::ended)
    }

    fn go_on(&mut self, next: fn(Reload) -> (Reload, bool)) -> io::Result<()> {
        let (state, start) = next(self.state);
        self.state = state;
        if let Some((plan, made, main)) = self.place.as_ref().filter(|_| start) {
            self.helper = Some(help(&Place { plan, made, member: main.as_fd() }, self.output.as_ref())?);
        }
        Ok(())
    }
}

impl Drop for Reloads<'_> {
    fn drop(&mut self) {
        // Its jail is gone. The next life of the jail has another, and nobody would hear of this one's end.
        if let Some(helper) = self.helper.take() {
            let _ = pidfd_send_signal(&helper.fd, Signal::KILL);
            let _ = super::supervisor::reap(helper.pid);
        }
    }
}

/// Does it in a process of its own.
fn help(place: &Place<'_>, output: Option<&OwnedFd>) -> io::Result<Helper> {
    let (pid, fd) = aside(output, || {
        let done = reload(place);
        if let Err(error) = &done {
            let text = format!("thinjail: {} is not reloaded: {}\n", place.plan.name, error.on_one_line());
            let _ = io::stderr().write_all(text.as_bytes());
        }
        i32::from(done.is_err())
    })?;
    Ok(Helper { pid, fd })
}

/// Has a process of its own do something, so that the supervisor hears whatever else happens meanwhile. It dies with the
/// supervisor, and ends with what it gives.
pub(super) fn aside(output: Option<&OwnedFd>, work: impl FnOnce() -> i32) -> io::Result<(Pid, OwnedFd)> {
    let parent = rustix::process::getpid();
    match process::clone3(CloneFlags::NONE)? {
        Side::Parent { pid, pidfd } => Ok((pid, pidfd)),
        Side::Child => {
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            if rustix::process::getppid() != Some(parent) || signal::all_default().is_err() {
                process::exit(1);
            }
            if output.is_some_and(|output| rustix::stdio::dup2_stderr(output).is_err()) {
                process::exit(1);
            }
            process::exit(work())
        }
    }
}

fn reload(place: &Place<'_>) -> Result<(), RunError> {
    let mut enter = |command: &_, said: &mut _| place.run(command, said, &mut || Ok(false));
    command::reload(&place.plan.reload, &mut enter, &mut |number| send(place.member, number))
}

/// Of a jail that runs, by what its journal says.
pub(crate) fn by_name(plan: &Plan, running: Running, supervisor: Process) -> Result<(), RunError> {
    let failed = |cause: io::Error| RunError::setup(format!("hold the main process of {}", plan.name), cause);
    let pid = Pid::from_raw(running.main.pid).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let main = pidfd_open(pid, PidfdFlags::empty()).map_err(|cause| failed(cause.into()))?;
    // The descriptor first, then the question: the answer is about the process that the descriptor holds.
    if started(running.main.pid) != running.main.start {
        return Err(failed(io::Error::other("it has just ended")));
    }
    let made = made(plan, supervisor.pid)?;
    let main: BorrowedFd<'_> = main.as_fd();
    reload(&Place { plan, made: &made, member: main })
}

/// What its supervisor has made on the host, found again.
fn made(plan: &Plan, supervisor: i32) -> Result<Vec<HostDir>, RunError> {
    let paths = plan.host.iter().filter_map(|planned| match &planned.step {
        Step::MakeHostDir { path, .. } => Some(Ok(path.clone())),
        Step::MakeCgroup { parent, name, .. } => Some(parent.join(&format!("{name}.{supervisor}"))),
        _ => None,
    });
    paths
        .map(|path| {
            let path = path.map_err(|error| RunError::setup("find what was made".into(), io::Error::other(error)))?;
            let fd = look::directory(&path, OFlags::RDONLY)
                .map_err(|cause| RunError::setup(format!("open {path}"), cause.into()))?;
            Ok(HostDir { path, fd })
        })
        .collect()
}
