//! `schema`: what editors need to complete and check the keys of a profile.

use thinjail_plan::spec::schema::schema;

use crate::exit_code::Exit;
use crate::report::{self, Failure};

/// Prints it.
#[inline(never)]
pub(super) fn execute() -> Result<Exit, Failure> {
    report::answer(&report::json(&schema())?)?;
    Ok(Exit::Ok)
}
