//! Copies of files of the host, made anew in the root of a jail that runs.

use std::io;
use std::marker::PhantomData;

use thinjail_plan::plan::Plan;
use thinjail_plan::step::{Access, Step};

use crate::journal::line::Running;
use crate::os::freebsd::Host;
use crate::run::RunError;
use crate::state;

/// A jail that runs: its root, and what may be done with that.
pub(crate) struct Jail<'a> {
    host: Host,
    access: Access,
    /// On Linux it may be lent.
    _of: PhantomData<&'a ()>,
}

impl Jail<'_> {
    /// By its plan.
    pub(crate) fn of(plan: &Plan, _running: Running) -> Result<Self, RunError> {
        let root = plan.host.iter().find_map(|planned| match &planned.step {
            Step::Tmpfs { at, access, .. } if at.as_str() == "/" => Some(*access),
            _ => None,
        });
        let access = root.ok_or_else(|| {
            RunError::setup(format!("find the root of {}", plan.name), io::ErrorKind::NotFound.into())
        })?;
        Ok(Self { host: state::host(&plan.name)?, access, _of: PhantomData })
    }
}

/// Does each step anew; whether anything had to be done, or why it was not.
pub(crate) fn swap(jail: &Jail<'_>, steps: &[&Step]) -> Result<Vec<Result<bool, RunError>>, RunError> {
    let failed = |error: crate::os::StepError| RunError::setup("refresh".into(), io::Error::other(error.describe()));
    let done = jail.host.refresh(steps, jail.access).map_err(failed)?;
    Ok(done.into_iter().map(|done| done.map_err(failed)).collect())
}
