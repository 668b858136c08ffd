//! A little world in memory that fails where it is told to.

use std::collections::BTreeSet;
use std::io;

use thinjail_plan::path::HostPath;
use thinjail_plan::step::Step;

use super::{Os, StepError};

/// The directories there are, and where it fails.
pub(crate) struct Fake {
    directories: BTreeSet<String>,
    applied: usize,
    fail_apply: Option<usize>,
    fail_undo: Option<usize>,
}

/// The number of the step, its directory if we made it, and whether it stays.
pub(crate) struct Made {
    number: usize,
    path: Option<HostPath>,
    keep: bool,
}

impl Fake {
    pub(crate) fn new<const N: usize>(directories: [&str; N]) -> Self {
        Self { directories: directories.map(String::from).into(), applied: 0, fail_apply: None, fail_undo: None }
    }

    pub(crate) fn world(&self) -> BTreeSet<String> {
        self.directories.clone()
    }

    pub(crate) fn fail_apply_at(&mut self, step: usize) {
        self.fail_apply = Some(step);
    }

    pub(crate) fn fail_undo_at(&mut self, step: usize) {
        self.fail_undo = Some(step);
    }
}

impl Os for Fake {
    type Done = Made;

    fn apply(&mut self, step: &Step) -> Result<Made, StepError> {
        let Step::MakeHostDir { path, keep, .. } = step else { return Err(StepError::NotHere { system: "the fake" }) };
        let number = self.applied;
        self.applied += 1;
        let failed = |kind: io::ErrorKind| StepError::MakeHostDir { path: path.clone(), cause: kind.into() };
        if self.fail_apply == Some(number) {
            return Err(failed(io::ErrorKind::StorageFull));
        }
        if path.parent().is_some_and(|parent| !self.directories.contains(parent.as_str())) {
            return Err(failed(io::ErrorKind::NotFound));
        }
        let made = self.directories.insert(path.as_str().into());
        Ok(Made { number, path: made.then(|| path.clone()), keep: *keep })
    }

    fn undo(&mut self, done: &Made, failed: bool) -> Result<(), StepError> {
        let Some(path) = &done.path else { return Ok(()) };
        if done.keep && !failed {
            return Ok(());
        }
        let refused = |kind: io::ErrorKind| StepError::RemoveHostDir { path: path.clone(), cause: kind.into() };
        if self.fail_undo == Some(done.number) {
            return Err(refused(io::ErrorKind::PermissionDenied));
        }
        let below = format!("{}/", path.as_str());
        if self.directories.iter().any(|other| other.starts_with(&below)) {
            return Err(refused(io::ErrorKind::DirectoryNotEmpty));
        }
        self.directories.remove(path.as_str());
        Ok(())
    }
}
