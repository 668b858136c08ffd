//! FreeBSD.

use thinjail_plan::plan::Plan;
use thinjail_plan::resolve::Class;

use crate::run::{Observer, Outcome, RunError};

/// This version makes plans for FreeBSD, but can't run them yet, and says so before anything is touched.
pub(crate) fn run(plan: &Plan, _observer: &mut dyn Observer) -> Result<Outcome, RunError> {
    Err(RunError {
        class: Class::Setup,
        what: format!("run {}: this version of thinjail has no engine for FreeBSD yet", plan.name),
        help: Some("`thinjail plan`, `explain` and `check` work here; jail(8) runs jails meanwhile".into()),
        cause: None,
    })
}
