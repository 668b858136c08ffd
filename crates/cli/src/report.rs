//! The one place that prints: what was asked for, and why it failed.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write};

use thinjail_jail::run::RunError;
use thinjail_plan::resolve::{Class, Problem};

use crate::exit_code::Exit;

/// What kind of failure; the verb decides which exit code that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The command line can't be understood.
    Usage,
    /// Anything about the profile, the host or the jail.
    Failed,
    /// The program can't be executed.
    NotExecutable,
    /// There is no such program.
    NotFound,
    /// There is no such profile.
    NotConfigured,
}

/// Why a verb failed. Printed as one block.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Which exit code it asks for.
    pub(crate) kind: Kind,
    /// Lowercase: what was tried, on which object.
    pub(crate) what: String,
    /// Why that failed, where `what` does not say it.
    pub(crate) cause: Option<String>,
    /// What the user can do about it, in the imperative.
    pub(crate) help: Option<String>,
    /// How many more problems there are, and the command that lists them.
    pub(crate) more: Option<(usize, String)>,
}

impl Failure {
    /// A failure that `what` tells in full.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, what: what.into(), cause: None, help: None, more: None }
    }

    /// A mistake on the command line.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, ..Self::new(what) }
    }

    /// There is no such profile.
    pub(crate) fn not_configured(what: impl Into<String>) -> Self {
        Self { kind: Kind::NotConfigured, ..Self::new(what) }
    }

    /// With why it failed.
    pub(crate) fn cause(self, cause: impl ToString) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }

    /// With what to do about it.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The exit code of `run`.
    pub(crate) fn exit_of_run(&self) -> Exit {
        match self.kind {
            Kind::Usage | Kind::Failed | Kind::NotConfigured => Exit::Ours,
            Kind::NotExecutable => Exit::NotExecutable,
            Kind::NotFound => Exit::NotFound,
        }
    }

    /// The exit code of another verb. Init scripts hand on those of some, and the Linux Standard Base says what they mean.
    pub(crate) fn exit(&self, verb: &str) -> Exit {
        match (verb, self.kind) {
            ("status", _) => Exit::Unknown,
            (_, Kind::Usage) => Exit::Usage,
            ("start" | "restart", Kind::NotFound | Kind::NotExecutable) => Exit::NotInstalled,
            ("start" | "restart", Kind::NotConfigured) => Exit::NotConfigured,
            (_, Kind::Failed | Kind::NotExecutable | Kind::NotFound | Kind::NotConfigured) => Exit::No,
        }
    }
}

/// The first of several problems, which is the most telling one, and how to see the others.
pub(crate) fn first(problems: Vec<Problem>, check: &str) -> Failure {
    let count = problems.len().saturating_sub(1);
    let first = problems.into_iter().next().map_or_else(|| Failure::new("make a plan"), Failure::from);
    Failure { more: (count > 0).then(|| (count, check.to_owned())), ..first }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { kind: problem.class.into(), help: problem.help, ..Self::new(problem.what) }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let cause = error.cause.map(|cause| chain(&cause));
        Self { kind: error.class.into(), cause, help: error.help, ..Self::new(error.what) }
    }
}

impl From<Class> for Kind {
    fn from(class: Class) -> Self {
        match class {
            Class::Setup => Self::Failed,
            Class::NotExecutable => Self::NotExecutable,
            Class::NotFound => Self::NotFound,
        }
    }
}

/// An error and what lies under it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // Writing to a string can't fail.
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}

/// Prints a failure on the standard error.
pub(crate) fn failure(failure: &Failure) {
    line(&format!("thinjail: {}", block(failure)));
}

/// A failure as text: what and why, what to do, and how many more there are.
pub(crate) fn block(failure: &Failure) -> String {
    let mut text = plain(&failure.what);
    if let Some(cause) = &failure.cause {
        text += ": ";
        text += &plain(cause);
    }
    if let Some(help) = &failure.help {
        text += "\n  help: ";
        text += &plain(help);
    }
    if let Some((count, command)) = &failure.more {
        text += &format!("\n  and {count} more; {} lists all", plain(command));
    }
    text
}

/// Facts and plans for other programs to read.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::new("write JSON").cause(error))?;
    Ok(text + "\n")
}

/// Prints one line of ours on the standard error.
pub(crate) fn say(text: &str) {
    line(&format!("thinjail: {}", plain(text)));
}

/// Prints lines as they are on the standard error.
pub(crate) fn line(text: &str) {
    // With the standard error gone, no one is left to tell.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Prints what was asked for on the standard output.
pub(crate) fn answer(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes()).map(drop)
}

/// The same of what may be no text. False if nobody reads any more.
pub(crate) fn bytes(bytes: &[u8]) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // Whoever read it has read enough: `thinjail plan | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new("write the answer").cause(error)),
        Ok(()) => Ok(true),
    }
}

/// Names come from hostile places: no control character of theirs reaches the terminal. Line breaks are ours (an excerpt
/// of a profile), and what follows one is moved in, so that no name can pass for a line of ours.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\n' => out.push_str("\n  "),
            '\t' => out.push(' '),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_forges_neither_a_line_nor_a_colour() {
        assert_eq!(plain("a\nthinjail: ok\u{1b}[31m\r"), "a\n  thinjail: ok\\u{1b}[31m");
    }

    #[test]
    fn run_keeps_its_own_codes_apart_from_those_of_other_verbs() {
        let codes = |kind| {
            let failure = Failure { kind, ..Failure::new("x") };
            let of = |verb| failure.exit(verb).number();
            (failure.exit_of_run().number(), of("plan"), of("start"), of("status"))
        };
        assert_eq!(codes(Kind::Usage), (125, 2, 2, 4));
        assert_eq!(codes(Kind::Failed), (125, 1, 1, 4));
        assert_eq!(codes(Kind::NotExecutable), (126, 1, 5, 4));
        assert_eq!(codes(Kind::NotFound), (127, 1, 5, 4));
        assert_eq!(codes(Kind::NotConfigured), (125, 1, 6, 4));
    }
}
