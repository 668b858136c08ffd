//! /dev: a devfs(5) with a ruleset of the jail's own, or with one of the host's that is known to hold rules.

use std::ffi::CString;
use std::io;

use thinjail_sys::freebsd::devfs;
use thinjail_sys::freebsd::mount::{Flags, Fsid};

use super::mount::{self, Point};
use super::{StepError, failed, place};

/// Numbers for rulesets of jails: devfs.rules(5) and those who write it by hand begin at 1.
const FIRST: u16 = 40_000;
const LAST: u16 = 59_999;

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

/// What tells whose a ruleset is: no device is called so.
fn mark(jail: &str) -> String {
    let fits = (0..=150.min(jail.len())).rev().find(|end| jail.is_char_boundary(*end)).unwrap_or(0);
    format!("thinjail of {}", &jail[..fits])
}

/// A number that no ruleset has at this moment, after another one.
pub(crate) fn free_number(after: Option<u16>) -> io::Result<u16> {
    let taken = devfs::rulesets(place::dev()?)?;
    let mut numbers = after.map_or(FIRST, |after| after.saturating_add(1))..=LAST;
    numbers
        .find(|number| !taken.contains(number))
        .ok_or_else(|| io::Error::other("every number for a ruleset is taken"))
}

/// Makes a ruleset of a jail's own. False where somebody else had the number first.
pub(crate) fn make_ruleset(number: u16, jail: &str, shown: &[String]) -> io::Result<bool> {
    devfs::make(place::dev()?, number, &mark(jail), shown)
}

/// Takes it away. Without rules a devfs that is still there would show every new device.
pub(super) fn clear_ruleset(number: u16, jail: &str, in_use: bool) -> Result<(), StepError> {
    let what = || format!("clear the devfs ruleset {number}");
    if in_use {
        return Err(failed(what(), io::Error::new(io::ErrorKind::ResourceBusy, "the jail's /dev is still mounted")));
    }
    let dev = place::dev().map_err(|cause| failed(what(), cause))?;
    devfs::clear(&dev, number, &mark(jail)).map_err(|cause| failed(what(), cause))
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
