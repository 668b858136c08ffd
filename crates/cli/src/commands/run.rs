//! `run`: from a spec to the end of the program.

use std::mem::ManuallyDrop;

use thinjail_jail::inspect::this_kind;
use thinjail_jail::life;
use thinjail_jail::run::{Observer, Outcome, RunError, Timings};
use thinjail_plan::facts::SystemKind;
use thinjail_plan::resolve::Problem;
use thinjail_plan::spec::Spec;

use super::planned::Planned;
use crate::args::{Run, Subject};
use crate::clock::{Begun, Clock};
use crate::exit_code::Exit;
use crate::report::{self, Failure};

/// Builds the jail, runs the program, and says how it ended.
#[inline(never)]
pub(super) fn execute(args: Run, subject: &Subject, begun: Begun) -> Result<Exit, Failure> {
    let Begun { mut clock, mut early } = begun;
    // The process ends with this: what is known is the kernel's to free, and the caller waits no longer than it has to.
    let planned = ManuallyDrop::new(Planned::new(subject, args.about));
    let written = planned.read()?;
    early.iter_mut().for_each(|early| early.judge(&written.spec));
    clock.done("parse");
    // Who becomes the program is nowhere on the host afterwards, and could take nothing back there.
    let makes = written.spec.supervisor != Some(false) && makes_on_host(&written.spec, this_kind());
    let looks = !args.dry_run && makes;
    let leftovers = looks.then(|| life::recover(&written.name, &mut report::say));
    let (plan, facts) = planned.decide(&written, &mut clock)?;
    let (plan, facts) = (ManuallyDrop::new(plan), ManuallyDrop::new(facts));
    if args.dry_run {
        written.verify(&plan, &facts)?;
        clock.done("verify");
        report::answer(&plan.to_string())?;
        if args.timings {
            report::line(&clock.table(None));
        }
        return Ok(Exit::Ok);
    }
    planned.check_privilege(&written, &facts)?;
    if plan.unsupervised && args.timings {
        return Err(Failure::usage("--timings and --no-supervisor: nobody is left to tell the times")
            .help("leave one of them out"));
    }
    let mut teller = Teller {
        program: plan.exec.program.to_string(),
        clock: args.timings.then_some(clock),
        verify: Some(Box::new(written.check(&plan, &facts))),
    };
    let outcome = thinjail_jail::run::run(&plan, early, &mut || planned.again(), &mut teller);
    if let Some(leftovers) = leftovers {
        leftovers.take_back(&mut report::say);
    }
    match outcome? {
        outcome if outcome.is_success(&plan) => Ok(Exit::Program(0)),
        Outcome::Exited(status) => Ok(Exit::Program(u8::try_from(status & 0xff).unwrap_or(u8::MAX))),
        Outcome::Signaled(signal) => {
            report::say(&format!("{}: exited on signal {signal}", plan.exec.program));
            Ok(Exit::Signal(signal))
        }
    }
}

/// Whether something may be made on the host that an earlier run has left there. Where nothing is, nothing is looked for.
fn makes_on_host(spec: &Spec, kind: SystemKind) -> bool {
    let directories = [&spec.run_dir, &spec.state_dir, &spec.log_dir, &spec.cache_dir];
    kind == SystemKind::FreeBsd
        || spec.pidfile.is_some()
        || !spec.limits.is_empty()
        || directories.iter().any(|directory| directory.is_some())
        || spec.mount.iter().any(|mount| mount.create)
}

/// Passes on what the engine tells.
struct Teller<'a> {
    /// Which program runs.
    program: String,
    /// Only if the times are wanted.
    clock: Option<Clock>,
    /// The self-check of the first plan; a later one is checked when it is made.
    verify: Option<Box<dyn FnOnce() -> Result<(), Problem> + 'a>>,
}

impl Observer for Teller<'_> {
    fn check(&mut self) -> Result<(), RunError> {
        let Some(verify) = self.verify.take() else { return Ok(()) };
        verify().map_err(|Problem { class, what, help }| RunError { class, what, help, cause: None })
    }

    fn started(&mut self, timings: &Timings) {
        if let Some(clock) = &self.clock {
            report::line(&clock.table(Some(timings)));
        }
    }

    fn ready(&mut self) {}

    fn told(&mut self, what: &str) {
        report::say(what);
    }

    fn background(&mut self) {
        let text = format!("{} has ended, and the processes that it left were killed", self.program);
        report::failure(&Failure::new(text).help(
            "tell the program to stay in the foreground, as daemons do by a flag of theirs; or write wait = \"all\"",
        ));
    }

    fn limit(&mut self, what: &str) {
        report::say(&format!("{}: {what}", self.program));
    }

    fn left(&mut self, what: &str) {
        report::say(what);
    }
}
