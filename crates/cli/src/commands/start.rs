//! `start`: from a profile to a program that runs in the background.

use thinjail_jail::life;
use thinjail_jail::start::{Started, start};

use super::planned::{Planned, Written};
use crate::args::{Start, Subject};
use crate::clock::Clock;
use crate::exit_code::Exit;
use crate::report::{self, Failure};

/// Builds the jail, and comes back once the program is ready.
#[inline(never)]
pub(super) fn execute(args: Start, subject: &Subject) -> Result<Exit, Failure> {
    let planned = planned(args, subject)?;
    let written = planned.read()?;
    begin(&planned, &written)
}

/// The same, after the one that runs was stopped. Whatever can be found out before is found out before.
#[inline(never)]
pub(super) fn again(args: Start, subject: &Subject) -> Result<Exit, Failure> {
    let planned = planned(args, subject)?;
    let written = planned.read()?;
    let (plan, facts) = planned.decide(&written, &mut Clock::start())?;
    written.verify(&plan, &facts)?;
    planned.check_privilege(&written, &facts)?;
    life::stop(&written.name, &mut report::say)?;
    begin(&planned, &written)
}

fn planned(args: Start, subject: &Subject) -> Result<Planned<'_>, Failure> {
    if let Subject::Program(words) = subject {
        let program = words.first().map_or("", String::as_str);
        return Err(Failure::usage(format!("{program} is a program, and a jail in the background needs a name"))
            .help("write a profile for it, or `thinjail run` it in the foreground"));
    }
    Ok(Planned::new(subject, args.about))
}

fn begin(planned: &Planned<'_>, written: &Written) -> Result<Exit, Failure> {
    life::clean_up(&written.name, &mut report::say)?;
    let (plan, facts) = planned.decide(written, &mut Clock::start())?;
    written.verify(&plan, &facts)?;
    planned.check_privilege(written, &facts)?;
    match start(&plan, &mut || planned.again(), &mut report::say)? {
        Started::Now => {}
        Started::Before(pid) => report::say(&format!("{} runs already, supervised by process {pid}", plan.name)),
    }
    Ok(Exit::Ok)
}
