//! A plan, run in the foreground until it ends.

use std::time::Duration;

use thinjail_plan::plan::{Plan, Success};
use thinjail_plan::resolve::Class;
use thinjail_plan::spec::Spec;

use crate::journal::Unwritten;
use crate::journal::line::Verb;
use crate::supervise::log::Log;
use crate::supervise::service;

/// Why there is no jail, in words that can be sent from a process to another.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Told {
    /// [`Class`] as the order in which its variants stand.
    class: u8,
    what: String,
    help: Option<String>,
    cause: Option<String>,
}

impl From<RunError> for Told {
    fn from(error: RunError) -> Self {
        let RunError { class, what, help, cause } = error;
        Self { class: class as u8, what, help, cause: cause.map(|cause| cause.to_string()) }
    }
}

impl From<Told> for RunError {
    fn from(told: Told) -> Self {
        let Told { class, what, help, cause } = told;
        let classes = [Class::NotFound, Class::NotExecutable];
        let class = classes.into_iter().find(|known| *known as u8 == class).unwrap_or(Class::Setup);
        Self { class, what, help, cause: cause.map(std::io::Error::other) }
    }
}

/// How the main process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// exit(3) with this status.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}

impl Outcome {
    /// Whether the plan calls it a good end.
    #[must_use]
    pub fn is_success(self, plan: &Plan) -> bool {
        self.is_one_of(&plan.success)
    }

    /// The same by what the plan says of it.
    pub(crate) fn is_one_of(self, success: &Success) -> bool {
        match self {
            Self::Exited(status) => status == 0 || success.statuses.contains(&status),
            Self::Signaled(signal) => success.signals.contains(&signal),
        }
    }
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

impl RunError {
    /// A failure of the set-up, with what the system said.
    #[must_use]
    pub fn setup(what: String, cause: std::io::Error) -> Self {
        Self { class: Class::Setup, what, help: None, cause: Some(cause) }
    }

    /// The journal could not be written, and so the step was not done.
    pub(crate) fn unwritten(error: Unwritten) -> Self {
        Self::setup("write the journal".into(), error.into_cause())
    }

    /// Whether what was tried failed since something is not there.
    pub(crate) fn is_missing(&self) -> bool {
        self.cause.as_ref().is_some_and(|cause| cause.kind() == std::io::ErrorKind::NotFound)
    }

    /// As an error of input and output, where that is what is handed on.
    pub(crate) fn into_io(self) -> std::io::Error {
        std::io::Error::other(self.on_one_line())
    }

    /// As one line, for what is only told.
    pub(crate) fn on_one_line(&self) -> String {
        match &self.cause {
            Some(cause) => format!("{}: {cause}", self.what),
            None => self.what.clone(),
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn help(self, help: impl Into<Option<String>>) -> Self {
        Self { help: help.into(), ..self }
    }
}

/// How long each phase of the start took, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Name of the phase and its time.
    pub phases: Vec<(&'static str, Duration)>,
    /// From clone3(2) (FreeBSD: fork(2)) until execve(2) was about to be called. Where pid 1 was made early, that is from then on.
    pub fork_to_exec: Duration,
}

/// Told while a jail runs.
pub trait Observer {
    /// What is still to be looked at before the program is started, which it is not if this fails. Called once the jail is built,
    /// where the kernel makes its namespaces meanwhile, else before.
    ///
    /// # Errors
    /// Whatever speaks against the start.
    fn check(&mut self) -> Result<(), RunError> {
        Ok(())
    }
    /// The program runs for the first time: execve(2) has succeeded.
    fn started(&mut self, timings: &Timings);
    /// It does what it is for; told after each start.
    fn ready(&mut self);
    /// What came of it meanwhile; lowercase: that it ended, and is started again.
    fn told(&mut self, what: &str);
    /// The main process ended well and unasked, and the processes that it left were killed with the jail: what a daemon
    /// does that goes into the background.
    fn background(&mut self);
    /// A limit that was hit; lowercase, which and what came of it.
    fn limit(&mut self, what: &str);
    /// The jail is gone, but something of it could not be taken away; lowercase, what and why.
    fn left(&mut self, what: &str);
}

/// Makes a new plan of the same profile: the host may have changed since, by an upgrade.
pub type Again<'a> = &'a mut dyn FnMut() -> Result<Plan, RunError>;

/// What of a jail needs no plan, and is made while there is none yet: on Linux, as root, a pid 1 with its namespaces. If it is
/// dropped, nothing is left of it.
#[derive(Debug)]
pub struct Early(crate::system::Early);

impl Early {
    /// None where nothing can be made before there is a plan.
    #[must_use]
    pub fn begin() -> Option<Self> {
        crate::system::Early::begin().map(Self)
    }

    /// Ends it if no plan of this is fit for it. That is found out all the same when there is a plan, but costs time then.
    pub fn judge(&mut self, spec: &Spec) {
        self.0.judge(spec);
    }
}

/// Builds the jail, runs the program, forwards signals, takes everything down, does so again as often as the plan says, and says
/// how it ended. What was begun `early` is used if the plan is fit for it.
///
/// # Errors
/// Whatever keeps the program from running the first time. Nothing is left of the attempt, or [`Observer::left`] has said what.
pub fn run(
    plan: &Plan,
    early: Option<Early>,
    again: Again<'_>,
    observer: &mut dyn Observer,
) -> Result<Outcome, RunError> {
    let log = Log::open(plan, Verb::Run)?;
    // Who is to become the program is to have no child.
    let early = early.filter(|_| !plan.unsupervised).map(|early| early.0);
    service::run(plan, Some(again), (Verb::Run, early), log, observer)
}
