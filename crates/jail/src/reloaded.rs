//! What came of a reload: a program that does nothing about the signal is ended by it, and who asked should hear so.

use std::time::{Duration, Instant};

use thinjail_plan::plan::Plan;
use thinjail_plan::resolve::signal_name;

use crate::claim::lives;
use crate::journal::line::Process;
use crate::journal::read::{Read, read};
use crate::run::RunError;
use crate::state::State;

/// How long it is looked at: a signal that ends a process does so once that one is given the processor.
const LOOK: Duration = Duration::from_millis(300);

/// How long its supervisor is given to say what came of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// What became of the jail once its main process had ended.
enum Now {
    /// It was told to stop, or has another main process, as one that executes itself anew in a new process.
    Well,
    Gone,
    /// Its supervisor starts it again.
    Again,
    /// Others of its processes are left.
    Headless,
}

/// Looks a while; `before` is what the journal said when the program was told.
pub(crate) fn look(state: &State, key: &str, plan: &Plan, before: &Read, main: Process) -> Result<(), RunError> {
    let end = Instant::now() + LOOK;
    while lives(main) {
        if Instant::now() >= end {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    let since = match now(state, key, before, main)? {
        Now::Well => return Ok(()),
        Now::Gone => "and with it the jail",
        Now::Again => "and is started again",
        Now::Headless => "and others of its processes are left",
    };
    let name = &plan.name;
    let told = match (&plan.reload.command, signal_name(plan.reload.signal, plan.system.kind())) {
        (Some(_), _) => "its reload-command was run".to_owned(),
        (None, Some(signal)) => format!("it was sent {signal}"),
        (None, None) => format!("it was sent signal {}", plan.reload.signal),
    };
    let cause = std::io::Error::other(format!("its main process, pid {}, ended when {told}, {since}", main.pid));
    let help = match &plan.reload.command {
        Some(_) => {
            format!("see what it says of it: `thinjail logs {name}`; write another reload-command into its profile")
        }
        None => "a program that does nothing about that signal is ended by it: write the one that it reloads at as \
                 reload-signal into its profile, or a reload-command; where it can't reload, use `thinjail restart`"
            .to_owned(),
    };
    Err(RunError::setup(format!("reload {name}"), cause).help(help))
}

fn now(state: &State, key: &str, before: &Read, main: Process) -> Result<Now, RunError> {
    let supervisor = |read: &Read| read.begin.as_ref().map(|begin| begin.supervisor);
    let restarts = |read: &Read| read.phase.as_ref().map_or(0, |phase| phase.restarts);
    let end = Instant::now() + PATIENCE;
    loop {
        let Some((text, true)) = state.peek(key)? else { return Ok(Now::Gone) };
        let found = read(&text).unwrap_or_default();
        match found.phase.as_ref().map(|phase| phase.stage.as_str()) {
            Some("stopping") => return Ok(Now::Well),
            Some("waiting" | "building") => return Ok(Now::Again),
            _ if supervisor(&found) != supervisor(before) => return Ok(Now::Gone),
            _ if restarts(&found) != restarts(before) => return Ok(Now::Again),
            _ if found.running.as_ref().is_some_and(|running| running.main != main && lives(running.main)) => {
                return Ok(Now::Well);
            }
            _ if Instant::now() >= end => return Ok(Now::Headless),
            _ => std::thread::sleep(PAUSE),
        }
    }
}
