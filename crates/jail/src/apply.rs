//! Does the host's steps in order, each written in the journal before and after it.

use thinjail_plan::step::{Planned, Step};

use crate::journal::Journal;
use crate::os::{End, Os, StepError};
use crate::teardown::teardown;

/// Does every step. If one fails, it and those before it are taken back at once.
pub(crate) fn apply<O: Os>(
    os: &mut O,
    steps: &[Planned],
    journal: &mut Journal,
    left: &mut dyn FnMut(&StepError),
) -> Result<Vec<O::Done>, StepError> {
    let mut all = Vec::with_capacity(steps.len());
    for planned in steps {
        match one(os, &planned.step, journal) {
            Ok(done) => all.push(done),
            Err(error) => {
                drop(all);
                teardown(os, journal, End::Failed, left);
                return Err(error);
            }
        }
    }
    Ok(all)
}

/// Does one step. If it fails, what there may be of it is in the journal.
pub(crate) fn one<O: Os>(os: &mut O, step: &Step, journal: &mut Journal) -> Result<O::Done, StepError> {
    let number = os.foresee(step).map(|undo| journal.will(undo)).transpose()?;
    let (done, undo) = os.apply(step)?;
    match (number, undo) {
        (Some(number), Some(undo)) => journal.did(number, undo)?,
        (Some(number), None) => journal.undone(number),
        (None, _) => {}
    }
    Ok(done)
}
