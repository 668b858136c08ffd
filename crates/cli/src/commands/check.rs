//! `check`: all that would fail, found without starting.

use thinjail_plan::doubts::doubts;
use thinjail_plan::resolve::{privilege, resolve};

use super::{Source, wanted};
use crate::args::{Ask, Subject};
use crate::exit_code::Exit;
use crate::report::{self, Failure};

/// Prints every problem, or that there is none.
pub(super) fn execute(args: Ask, subject: &Subject) -> Result<Exit, Failure> {
    let source = Source::of(&args.host)?;
    let (name, spec) = wanted(subject, args.about.profile, args.about.wanted, source.kind())?;
    let facts = source.facts(&spec);
    let (mut problems, doubts) = match resolve(&name, &spec, &facts) {
        Ok(plan) => (source.verify(&plan, &facts).err().into_iter().collect(), doubts(&plan, &facts)),
        Err(problems) => (problems, Vec::new()),
    };
    // Who looks at another host will not run it from here.
    if args.host.is_this() {
        problems.extend(privilege(&spec, &facts));
    }
    if problems.is_empty() {
        let doubts: String = doubts.iter().map(|doubt| format!("  note: {}\n", report::plain(doubt))).collect();
        report::answer(&format!("{}: ok\n{doubts}", report::plain(&name)))?;
        return Ok(Exit::Ok);
    }
    let blocks = problems.into_iter().map(|problem| report::block(&problem.into()) + "\n");
    report::answer(&blocks.collect::<String>())?;
    Ok(Exit::No)
}
