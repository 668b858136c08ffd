//! A plan, run in the foreground until it ends.

use thinjail_plan::plan::Plan;
use thinjail_plan::resolve::Class;

/// How the main process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// exit(3) with this status.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}

/// Why nothing runs: what was tried on which object, the cause, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct RunError {
    /// Which exit code it asks for.
    pub class: Class,
    /// Lowercase: what was tried on which object.
    pub what: String,
    /// What the user can do.
    pub help: Option<String>,
    /// What the system said.
    #[source]
    pub cause: Option<std::io::Error>,
}

/// What of the command line concerns the run itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Prints how long each phase took.
    pub timings: bool,
}

/// Builds the jail, runs the program, forwards signals, takes everything down, and says how it ended.
pub fn run(_plan: &Plan, _options: Options) -> Result<Outcome, RunError> {
    Err(RunError { class: Class::Setup, what: "build a jail".into(), help: None, cause: None })
}
