//! What this host can do, and how it is made to do what it can't.

use serde::Serialize;

use crate::system;

/// How much a lack matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is there.
    Ok,
    /// Something that profiles can ask for is not there; jails work.
    Lacks,
    /// No jail works here.
    Fails,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What: a word or two.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// What was found, as a lowercase fragment.
    pub found: String,
    /// What to do, in the imperative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    /// It is there.
    pub(crate) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into(), fix: None }
    }

    /// It is not, and this changes that.
    pub(crate) fn lacks(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, state: State::Lacks, found: found.into(), fix: Some(fix.into()) }
    }

    /// It is not, and without it nothing works.
    pub(crate) fn fails(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { state: State::Fails, ..Self::lacks(name, found, fix) }
    }
}

/// Looks at everything that jails are made of, as the caller, and tries what can be tried without a trace. An ordinary user is
/// in a user namespace afterwards: ask last.
#[must_use]
pub fn doctor() -> Vec<Finding> {
    system::doctor::look()
}
