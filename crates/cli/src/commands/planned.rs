//! A plan that can be made again: of the same words, from what is written and what is on the host by then.

use std::path::PathBuf;

use thinjail_jail::run::RunError;
use thinjail_plan::facts::Facts;
use thinjail_plan::plan::Plan;
use thinjail_plan::resolve::{Class, Problem, privilege, resolve};
use thinjail_plan::spec::Spec;

use super::{Source, wanted_at};
use crate::args::{About, ProfileFlags, Subject, Wanted};
use crate::clock::Clock;
use crate::report::{self, Failure};

/// What was asked for.
pub(super) struct Planned<'a> {
    subject: &'a Subject,
    here: Option<PathBuf>,
    profile: ProfileFlags,
    wanted: Option<Wanted>,
}

/// A profile as it is written.
pub(super) struct Written {
    /// The jail's name.
    pub(super) name: String,
    /// All that is wanted.
    pub(super) spec: Spec,
    source: Source,
}

impl Written {
    /// The self-check, for a process that ends with its jail: what it looks at the host by is closed once that is done, since no
    /// file system may be held as long as the jail runs, and what is written is left for the end of the process.
    pub(super) fn check<'p>(self, plan: &'p Plan, facts: &'p Facts) -> impl FnOnce() -> Result<(), Problem> + 'p {
        let Self { name, spec, source } = self;
        std::mem::forget((name, spec));
        move || source.verify(plan, facts)
    }

    /// The self-check.
    pub(super) fn verify(&self, plan: &Plan, facts: &Facts) -> Result<(), Problem> {
        self.source.verify(plan, facts)
    }
}

impl<'a> Planned<'a> {
    /// From the command line.
    pub(super) fn new(subject: &'a Subject, about: About) -> Self {
        let here = std::env::current_dir().ok();
        Self { subject, here, profile: about.profile, wanted: about.wanted }
    }

    /// Reads the profile.
    pub(super) fn read(&self) -> Result<Written, Failure> {
        let source = Source::this()?;
        let here = self.here.as_deref();
        let (name, spec) = wanted_at(here, self.subject, &self.profile, self.wanted.clone(), source.kind())?;
        Ok(Written { name, spec, source })
    }

    /// Looks at the host and decides; [`verify`](Written::verify) is for the caller.
    pub(super) fn decide(&self, written: &Written, clock: &mut Clock) -> Result<(Plan, Facts), Failure> {
        let facts = written.source.facts(&written.spec);
        clock.done("inspect");
        let plan = resolve(&written.name, &written.spec, &facts)
            .map_err(|problems| report::first(problems, &self.subject.check()))?;
        clock.done("resolve");
        Ok((plan, facts))
    }

    /// Whether this user may carry it out.
    pub(super) fn check_privilege(&self, written: &Written, facts: &Facts) -> Result<(), Failure> {
        let problems = privilege(&written.spec, facts);
        if problems.is_empty() { Ok(()) } else { Err(report::first(problems, &self.subject.check())) }
    }

    /// All of it, for the next start.
    pub(super) fn again(&self) -> Result<Plan, RunError> {
        let plan = || {
            let written = self.read()?;
            let (plan, facts) = self.decide(&written, &mut Clock::start())?;
            written.verify(&plan, &facts)?;
            self.check_privilege(&written, &facts)?;
            Ok(plan)
        };
        plan().map_err(|Failure { what, cause, help, .. }: Failure| RunError {
            class: Class::Setup,
            what,
            help,
            cause: cause.map(std::io::Error::other),
        })
    }
}
