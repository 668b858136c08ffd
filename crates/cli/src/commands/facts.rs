//! `facts`: what of the host a plan depends on.

use super::{Source, wanted};
use crate::args::{Ask, Subject};
use crate::exit_code::Exit;
use crate::report::{self, Failure};

/// Prints the facts as JSON, for `--facts`.
#[inline(never)]
pub(super) fn execute(args: Ask, subject: &Subject) -> Result<Exit, Failure> {
    let source = Source::of(&args.host)?;
    let (_, spec) = wanted(subject, args.about.profile, args.about.wanted, source.kind())?;
    report::answer(&report::json(&source.facts(&spec))?)?;
    Ok(Exit::Ok)
}
