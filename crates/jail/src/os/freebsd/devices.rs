//! /dev: a devfs(5) with a ruleset that is known to hold rules.

use std::ffi::CString;
use std::io;

use thinjail_sys::freebsd::devfs;
use thinjail_sys::freebsd::mount::{Flags, Fsid};

use super::mount::{self, Point};
use super::{StepError, failed, place};

/// Whether a ruleset hides what it does not name. One that nobody has loaded is empty, and the devfs that is mounted with it
/// shows every device there is, disks and memory among them.
pub(crate) fn check_ruleset(ruleset: u16) -> io::Result<()> {
    let rules = devfs::rules(place::dev()?, ruleset)?;
    if rules.contains(&devfs::Rule::HideAll) {
        return Ok(());
    }
    // Ruleset 4 of devfs.rules(5) includes others, which hide.
    if rules.is_empty() {
        return Err(io::Error::other("it has no rules, and would show every device of the host"));
    }
    Ok(())
}

/// Mounts it.
pub(super) fn mount(point: &Point, ruleset: Option<u16>) -> Result<Fsid, StepError> {
    let what = || format!("mount devfs on {}", point.at);
    let Some(ruleset) = ruleset else {
        return Err(failed(what(), io::Error::other("the plan names no ruleset")));
    };
    // Once more, whatever was seen before: rules can be taken away.
    check_ruleset(ruleset).map_err(|cause| failed(format!("read the devfs ruleset {ruleset}"), cause))?;
    let number = CString::new(ruleset.to_string()).map_err(|cause| failed(what(), io::Error::from(cause)))?;
    let options = [(c"fstype", c"devfs"), (c"from", c"devfs"), (c"ruleset", number.as_c_str())];
    mount::on(point, "devfs", &options, Flags::NOSUID.and(Flags::NOEXEC))
}
