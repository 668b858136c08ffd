//! `plan`: what would be done.

use thinjail_plan::resolve::resolve;
use thinjail_plan::spec::toml::Value;

use super::{Source, asked, wanted};
use crate::args::{Plan, Subject};
use crate::exit_code::Exit;
use crate::report::{self, Failure};

/// Columns wider than this are not padded for the sake of one long line.
const WIDEST: usize = 48;

/// Prints the plan, or where each value of its profile is written.
#[inline(never)]
pub(super) fn execute(args: Plan, subject: &Subject) -> Result<Exit, Failure> {
    let source = Source::of(&args.host)?;
    if args.origin {
        return origins(args, subject, &source);
    }
    let (name, spec) = wanted(subject, args.about.profile, args.about.wanted, source.kind())?;
    let plan =
        resolve(&name, &spec, &source.facts(&spec)).map_err(|problems| report::first(problems, &subject.check()))?;
    report::answer(&if args.json { report::json(&plan)? } else { plan.to_string() })?;
    Ok(Exit::Ok)
}

/// One value a line: key, value, file and line. The others are the defaults, which the plan shows.
fn origins(args: Plan, subject: &Subject, source: &Source) -> Result<Exit, Failure> {
    let asked = asked(subject, args.about.profile, args.about.wanted, source.kind(), true)?;
    if let Some(first) = asked.faults.into_iter().next() {
        return Err(first);
    }
    if args.json {
        return report::answer(&report::json(&asked.origins)?).map(|()| Exit::Ok);
    }
    let width = |of: fn(&Value) -> &str| {
        asked.origins.iter().map(|value| of(value).chars().count()).filter(|width| *width <= WIDEST).max().unwrap_or(0)
    };
    let (key, text) = (width(|value| &value.key), width(|value| &value.value));
    let line = |value: &Value| {
        format!(
            "{:key$}  {:text$}  {}\n",
            report::plain(&value.key),
            report::plain(&value.value),
            report::plain(&value.origin)
        )
    };
    report::answer(&asked.origins.iter().map(line).collect::<String>())?;
    Ok(Exit::Ok)
}
