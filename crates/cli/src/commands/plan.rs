//! `plan`: what would be done.

use thinjail_plan::resolve::resolve;

use super::{Source, wanted};
use crate::args::{Plan, Subject};
use crate::exit_code::Exit;
use crate::report::{self, Failure};

/// Prints the plan.
pub(super) fn execute(args: Plan, subject: &Subject) -> Result<Exit, Failure> {
    let source = Source::of(&args.host)?;
    let (name, spec) = wanted(subject, args.about.profile, args.about.wanted, source.kind())?;
    let plan =
        resolve(&name, &spec, &source.facts(&spec)).map_err(|problems| report::first(problems, &subject.check()))?;
    report::answer(&if args.json { report::json(&plan)? } else { plan.to_string() })?;
    Ok(Exit::Ok)
}
