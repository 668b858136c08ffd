//! Commands of a profile beside its main program, run inside: before the start, and at a reload.

use std::io::{self, Write as _};

use thinjail_plan::plan::{Command, Plan, Reload};
use thinjail_plan::show;

use crate::run::{Outcome, RunError};

/// How much of what a command says is kept: the end of it.
const KEPT: usize = 64 << 10;

/// What a command has said, as far as it is kept.
#[derive(Debug, Default)]
pub(crate) struct Said {
    bytes: Vec<u8>,
}

impl Said {
    /// More of it.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        // A hostile one may say more than there is memory for.
        if self.bytes.len() > 2 * KEPT {
            self.bytes.drain(..self.bytes.len() - KEPT);
        }
    }

    fn text(&self) -> String {
        let start = self.bytes.len().saturating_sub(KEPT);
        String::from_utf8_lossy(self.bytes.get(start..).unwrap_or_default()).trim_end().to_owned()
    }
}

/// How a command is run inside.
pub(crate) type Enter<'a> = dyn FnMut(&Command, &mut Said) -> Result<Outcome, RunError> + 'a;

/// The plan of a command: the main program's, with another program. It is handed no descriptors, and no terminal.
pub(crate) fn plan_of(plan: &Plan, command: &Command) -> Plan {
    let mut plan = plan.clone();
    plan.exec.program.clone_from(&command.program);
    plan.exec.argv.clone_from(&command.argv);
    plan.exec.descriptors = Vec::new();
    plan.exec.tty = false;
    plan
}

/// Runs them in order, until one does not end well. What each has said is printed then, or is part of the error.
pub(crate) fn all(key: &str, commands: &[Command], enter: &mut Enter<'_>) -> Result<(), RunError> {
    for command in commands {
        let mut said = Said::default();
        let outcome = enter(command, &mut said)?;
        if outcome != Outcome::Exited(0) {
            return Err(failed(key, command, outcome, &said));
        }
        let text = said.text();
        if !text.is_empty() {
            // With the standard error gone, nobody is left to tell.
            let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
        }
    }
    Ok(())
}

/// Everything that a reload is: what comes before, and then the command or the signal.
pub(crate) fn reload(
    reload: &Reload,
    enter: &mut Enter<'_>,
    signal: &mut dyn FnMut(i32) -> io::Result<()>,
) -> Result<(), RunError> {
    all("before-reload", &reload.before, enter)?;
    match &reload.command {
        Some(command) => all("reload-command", std::slice::from_ref(command), enter),
        None => signal(reload.signal).map_err(|cause| RunError::setup("signal the main process".into(), cause)),
    }
}

fn failed(key: &str, command: &Command, outcome: Outcome, said: &Said) -> RunError {
    let how = match outcome {
        Outcome::Exited(status) => format!("it ended with status {status}"),
        Outcome::Signaled(signal) => format!("it was ended by signal {signal}"),
    };
    let text = said.text();
    let cause = if text.is_empty() { how } else { format!("{how}, and said:\n{text}") };
    let help = match key {
        "before-start" => {
            "mend what it says, then start again; it sees what the program sees, and nothing else of the host"
        }
        "before-reload" => "mend what it says, then reload again; the program was told nothing, and goes on as it was",
        _ => "mend what it says, then reload again",
    };
    RunError::setup(format!("run {key} = {:?}", show::command(command)), io::Error::other(cause)).help(help.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use thinjail_plan::path::RootPath;

    fn command(path: &str) -> Command {
        Command { program: RootPath::new(path).unwrap(), argv: vec![path.into()] }
    }

    #[test]
    fn the_first_that_fails_is_told_with_what_it_said_and_no_other_is_run() {
        let commands = ["/one", "/two", "/three"].map(command);
        let mut run = Vec::new();
        let failed = all("before-start", &commands, &mut |command, said| {
            run.push(command.program.to_string());
            said.add(b"no ");
            said.add(b"such thing\n");
            Ok(Outcome::Exited(i32::from(command.argv == ["/two"])))
        });
        let error = failed.unwrap_err();
        assert_eq!(run, ["/one", "/two"]);
        assert_eq!(error.what, "run before-start = \"/two\"");
        assert_eq!(error.cause.unwrap().to_string(), "it ended with status 1, and said:\nno such thing");
    }

    #[test]
    fn what_is_said_without_end_is_kept_as_its_end() {
        let mut said = Said::default();
        for _ in 0..100 {
            said.add(&[b'x'; 10_000]);
        }
        said.add(b"end");
        assert!(said.bytes.len() <= 2 * KEPT && said.text().ends_with("xend") && said.text().len() == KEPT);
    }

    #[test]
    fn the_program_hears_nothing_of_what_was_refused() {
        let mut told = Vec::new();
        let mut signal = |number| {
            told.push(number);
            Ok(())
        };
        let with =
            |before: &[Command], own| Reload { before: before.to_vec(), signal: 12, command: own, on_change: false };
        let bad = with(&[command("/bad")], None);
        let mut enter = |command: &Command, _: &mut Said| Ok(Outcome::Exited(i32::from(command.argv == ["/bad"])));
        assert!(reload(&bad, &mut enter, &mut signal).is_err());
        reload(&with(&[command("/good")], Some(command("/own"))), &mut enter, &mut signal).unwrap();
        reload(&with(&[command("/good")], None), &mut enter, &mut signal).unwrap();
        assert_eq!(told, [12]);
    }
}
