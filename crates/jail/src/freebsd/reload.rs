//! A reload of a jail that runs: asked for by SIGHUP to its supervisor, which has a process of its own do it, or by name.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use thinjail_plan::plan::Plan;
use thinjail_sys::freebsd::jail::Jid;
use thinjail_sys::freebsd::process::{self, Side, fork};
use thinjail_sys::freebsd::signal;

use super::enter::Place;
use crate::command;
use crate::journal::line::{Process, Running};
use crate::run::RunError;
use crate::state;
use crate::supervise::reload::Reload;

/// The supervisor's side.
#[derive(Debug)]
pub(super) struct Reloads<'a> {
    state: Reload,
    helper: Option<Pid>,
    place: Option<(Place<'a>, Pid)>,
    /// The jail's log, which is no one's standard error; none where the caller's own output is the jail's.
    output: Option<OwnedFd>,
}

impl<'a> Reloads<'a> {
    /// Of a jail whose main process is `main`. One that SIGHUP alone reloads needs no help.
    pub(super) fn new(plan: &'a Plan, jid: Jid, main: Pid, output: Option<OwnedFd>) -> Self {
        let place = (!plan.reload.is_plain()).then_some((Place { plan, jid }, main));
        Self { state: Reload::Idle, helper: None, place, output }
    }

    /// SIGHUP has come; false where it is only to be handed on.
    pub(super) fn asked(&mut self) -> io::Result<bool> {
        if self.place.is_none() {
            return Ok(false);
        }
        self.go_on(Reload::asked).map(|()| true)
    }

    /// Whether that was the process which did it; it has been reaped.
    pub(super) fn ended(&mut self, pid: Pid) -> io::Result<bool> {
        if self.helper != Some(pid) {
            return Ok(false);
        }
        self.helper = None;
        self.go_on(Reload::ended).map(|()| true)
    }

    /// Another process is the main one.
    pub(super) fn follow(&mut self, found: Pid) {
        if let Some((_, main)) = &mut self.place {
            *main = found;
        }
    }

    fn go_on(&mut self, next: fn(Reload) -> (Reload, bool)) -> io::Result<()> {
        let (state, start) = next(self.state);
        self.state = state;
        if let Some((place, main)) = self.place.filter(|_| start) {
            self.helper = Some(help(place, main, self.output.as_ref())?);
        }
        Ok(())
    }
}

/// Does it in a process of its own, so that the supervisor hears whatever else happens meanwhile. While it lives the main process
/// is not another one: the supervisor kills it before it is done with that.
fn help(place: Place<'_>, main: Pid, output: Option<&OwnedFd>) -> io::Result<Pid> {
    match fork()? {
        Side::Parent(pid) => Ok(pid),
        Side::Child => {
            if signal::all_default().is_err() {
                process::exit(1);
            }
            if output.is_some_and(|output| rustix::stdio::dup2_stderr(output).is_err()) {
                process::exit(1);
            }
            let done = reload(place, &mut |number| send(main, number));
            if let Err(error) = &done {
                let text = format!("thinjail: {} is not reloaded: {}\n", place.plan.name, error.on_one_line());
                let _ = io::stderr().write_all(text.as_bytes());
            }
            process::exit(i32::from(done.is_err()))
        }
    }
}

fn send(main: Pid, number: i32) -> io::Result<()> {
    match Signal::from_named_raw(number).map(|signal| kill_process(main, signal)) {
        None | Some(Ok(()) | Err(Errno::SRCH)) => Ok(()),
        Some(Err(error)) => Err(error.into()),
    }
}

fn reload(place: Place<'_>, signal: &mut dyn FnMut(i32) -> io::Result<()>) -> Result<(), RunError> {
    let mut enter = |command: &_, said: &mut _| place.run(command, said, &mut || Ok(false));
    command::reload(&place.plan.reload, &mut enter, signal)
}

/// Of a jail that runs, by what its journal says.
pub(crate) fn by_name(plan: &Plan, running: Running, _supervisor: Process) -> Result<(), RunError> {
    let jid = running.jid.ok_or_else(|| {
        RunError::setup(format!("find the jail {}", plan.name), io::Error::other("its journal has no number"))
    })?;
    reload(Place { plan, jid: Jid(jid) }, &mut |number| match state::signal(running.main, number)? {
        true => Ok(()),
        false => Err(io::Error::other("it has just ended")),
    })
}
