//! `check`: all that would fail, found without starting.

use thinjail_plan::doubts::doubts;
use thinjail_plan::resolve::{dangling, privilege, resolve};

use super::{Source, asked};
use crate::args::{Ask, Subject};
use crate::exit_code::Exit;
use crate::report::{self, Failure};

/// Prints every problem, or that there is none.
#[inline(never)]
pub(super) fn execute(args: Ask, subject: &Subject) -> Result<Exit, Failure> {
    let source = Source::of(&args.host)?;
    let asked = asked(subject, args.about.profile, args.about.wanted, source.kind(), false)?;
    let (name, spec) = (asked.name, asked.spec);
    let facts = source.all_facts(&spec);
    let (mut problems, doubts) = match resolve(&name, &spec, &facts) {
        Ok(plan) => {
            let mut all = doubts(&plan, &facts);
            all.extend(dangling(&plan, &facts));
            (source.verify(&plan, &facts).err().into_iter().collect(), all)
        }
        Err(problems) => (problems, Vec::new()),
    };
    // Who looks at another host will not run it from here.
    if args.host.is_this() {
        problems.extend(privilege(&spec, &facts));
    }
    // A key that can't be understood is not there, and what is said of that is no second fault.
    problems.retain(|problem| !asked.doubtful.iter().any(|key| problem.is_of_missing(key)));
    let failures: Vec<Failure> = asked.faults.into_iter().chain(problems.into_iter().map(Failure::from)).collect();
    if failures.is_empty() {
        let doubts: String = doubts.iter().map(|doubt| format!("  note: {}\n", report::plain(doubt))).collect();
        report::answer(&format!("{}: ok\n{doubts}", report::plain(&name)))?;
        return Ok(Exit::Ok);
    }
    report::answer(&failures.iter().map(|failure| report::block(failure) + "\n").collect::<String>())?;
    Ok(Exit::No)
}
