//! What FreeBSD needs for jails.

use std::ffi::CStr;

use thinjail_sys::freebsd::{devfs, sysctl};

use crate::doctor::Finding;

/// Everything, in the order in which a start would meet it.
pub(crate) fn look() -> Vec<Finding> {
    vec![kernel(), root(), nested(), rules(), racct()]
}

fn number(name: &CStr) -> Option<i32> {
    sysctl::sysctlbyname_int(name).ok()
}

fn kernel() -> Finding {
    match number(c"kern.osreldate") {
        Some(date) if date >= 1_300_000 => Finding::ok("kernel", format!("FreeBSD {date}")),
        Some(date) => Finding::fails("kernel", format!("FreeBSD {date}"), "install FreeBSD 13 or newer"),
        None => Finding::fails("kernel", "kern.osreldate can't be read", "run it on FreeBSD 13 or newer"),
    }
}

fn root() -> Finding {
    match rustix::process::geteuid().is_root() {
        true => Finding::ok("caller", "root"),
        false => Finding::fails("caller", "not root", "run it as root"),
    }
}

/// In a jail, jails are the outer one's to allow.
fn nested() -> Finding {
    const NAME: &str = "jails";
    if number(c"security.jail.jailed") != Some(1) {
        return Finding::ok(NAME, "allowed");
    }
    match number(c"security.jail.children.max") {
        Some(most) if most > 0 => Finding::ok(NAME, format!("{most} inside of this jail")),
        _ => Finding::fails(NAME, "this is a jail that allows none inside", "set children.max in its jail.conf(5)"),
    }
}

/// Each jail gets a ruleset of its own.
fn rules() -> Finding {
    const NAME: &str = "devfs rules";
    let found = std::fs::File::open("/dev").and_then(|dev| devfs::rulesets(&dev));
    match found {
        Ok(sets) => Finding::ok(NAME, format!("{} rulesets", sets.len())),
        Err(error) => Finding::fails(NAME, format!("list the rulesets: {error}"), "run it as root, and in no jail"),
    }
}

fn racct() -> Finding {
    match number(c"kern.racct.enable") {
        Some(1) => Finding::ok("limits", "racct counts"),
        _ => Finding::lacks(
            "limits",
            "rctl(8) counts nothing: limits of a whole jail are not held",
            "write kern.racct.enable=1 into /boot/loader.conf and restart",
        ),
    }
}
