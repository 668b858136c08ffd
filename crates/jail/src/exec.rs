//! A command of the administrator's in a jail that runs.

use thinjail_plan::join::Joined;
use thinjail_plan::path::HostPath;

use crate::claim::{key, lives};
use crate::journal::line::Process;
use crate::journal::read::read;
use crate::journal::undo::Undo;
use crate::run::{Outcome, RunError};
use crate::state::State;
use crate::system;

/// The jail that runs, as its journal has it.
#[derive(Debug)]
#[allow(dead_code, reason = "each system goes by what it has: a process and groups, or a number")]
pub(crate) struct Running {
    /// Its main process.
    pub(crate) main: Process,
    /// FreeBSD's number of it.
    pub(crate) jid: Option<i32>,
    /// The groups that hold its limits.
    pub(crate) groups: Vec<HostPath>,
}

/// Runs the command to its end, in the running jail that has this plan's name; none if there is no such jail. With `terminal`
/// it gets one of its own.
///
/// # Errors
/// Whatever keeps the command from running. Nothing is left of the attempt.
pub fn exec(joined: &Joined, terminal: bool) -> Result<Option<Outcome>, RunError> {
    match running(&joined.plan.name)? {
        Some(running) => system::exec::exec(joined, &running, terminal).map(Some),
        None => Ok(None),
    }
}

fn running(name: &str) -> Result<Option<Running>, RunError> {
    let Some(state) = State::find()? else { return Ok(None) };
    let Some((text, true)) = state.peek(&key(name))? else { return Ok(None) };
    let read = read(&text).unwrap_or_default();
    let Some(running) = read.running.filter(|running| lives(running.main)) else { return Ok(None) };
    let groups = read.entries.into_iter().filter(|entry| entry.open).filter_map(|entry| match entry.undo {
        Undo::RemoveCgroup { path } => Some(path),
        _ => None,
    });
    Ok(Some(Running { main: running.main, jid: running.jid, groups: groups.collect() }))
}
