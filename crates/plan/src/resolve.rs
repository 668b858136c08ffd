//! Spec + facts -> plan.
use crate::facts::Facts;
use crate::plan::Plan;
use crate::spec::Spec;

/// Which exit code a problem asks for; the numbers are the command line's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The profile, or the host as the profile needs it.
    Setup,
    /// The program is there but can't be executed.
    NotExecutable,
    /// There is no such program.
    NotFound,
}

/// One thing that would fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The exit code's class.
    pub class: Class,
    /// Lowercase: what was tried, on which object, why it would fail.
    pub what: String,
    /// What to do about it, in the imperative.
    pub help: Option<String>,
}

/// The plan, or everything that would fail, the most telling first. Never an empty list.
pub fn resolve(_name: &str, _spec: &Spec, _facts: &Facts) -> Result<Plan, Vec<Problem>> {
    Err(Vec::new())
}
