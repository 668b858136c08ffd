//! The runtime of a language: what it reads beside the closure of the program that it runs.

use std::collections::BTreeSet;

use thinjail_closure::closure::Finder;
use thinjail_plan::facts::{ProgramFact, RuntimeFact, Wants};
use thinjail_plan::path::HostPath;

use super::paths::why;
use super::programs;

/// What it says of itself; none if none is asked for, or if there is no program for it to run.
pub(super) fn runtime(finder: &mut Finder<'_>, wants: &Wants) -> Option<RuntimeFact> {
    let (runtime, program) = (wants.runtime.as_ref()?, wants.programs.first()?);
    let ProgramFact::Closure(closure) = programs::program(finder, program, wants, Vec::new()) else { return None };
    Some(match finder.runtime(runtime, &closure) {
        Ok(parts) => RuntimeFact::Parts { program: program.clone(), parts },
        Err(error) => RuntimeFact::Refused { why: why(&error), help: error.help().into() },
    })
}

/// The paths of its parts. One that is not UTF-8 can't stand in a plan; that is said there.
pub(super) fn paths(runtime: Option<&RuntimeFact>) -> BTreeSet<HostPath> {
    let Some(RuntimeFact::Parts { parts, .. }) = runtime else { return BTreeSet::new() };
    parts.iter().filter_map(|part| HostPath::from_path(&part.path).ok()).collect()
}
