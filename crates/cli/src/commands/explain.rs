//! `explain`: why a path is inside.

use thinjail_plan::explain::explain;
use thinjail_plan::path::RootPath;
use thinjail_plan::resolve::resolve;

use super::{Source, wanted};
use crate::args::{Explain, Subject};
use crate::exit_code::Exit;
use crate::report::{self, Failure};

/// Prints the steps that put the path inside, and why each is there.
#[inline(never)]
pub(super) fn execute(args: Explain, subject: &Subject) -> Result<Exit, Failure> {
    let path = RootPath::new(args.path())
        .map_err(|error| Failure::usage("explain a path inside").cause(error).help("write it from the root on"))?;
    let source = Source::of(&args.host)?;
    let (name, spec) = wanted(subject, args.profile, args.wanted, source.kind())?;
    let plan =
        resolve(&name, &spec, &source.facts(&spec)).map_err(|problems| report::first(problems, &subject.check()))?;
    let answer = explain(&plan, &path);
    report::answer(&answer.lines.iter().map(|line| report::plain(line) + "\n").collect::<String>())?;
    Ok(if answer.inside { Exit::Ok } else { Exit::No })
}
