//! Linux.

use thinjail_plan::plan::Plan;
use thinjail_plan::resolve::Class;

use crate::run::{Observer, Outcome, RunError};

pub(crate) fn run(plan: &Plan, _observer: &mut dyn Observer) -> Result<Outcome, RunError> {
    Err(RunError { class: Class::Setup, what: format!("run {}", plan.name), help: None, cause: None })
}
