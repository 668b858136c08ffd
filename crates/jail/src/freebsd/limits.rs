//! Limits of a whole jail: rules of rctl(8), which go by the jail's name and so are there before it.

use std::io;

use rustix::io::Errno;
use thinjail_plan::plan::{By, Limit, Plan};
use thinjail_sys::freebsd::rctl;

use crate::journal::Journal;
use crate::journal::undo::Undo;
use crate::run::{Observer, RunError};

/// What is done at the limit: what can't be refused is slowed down, or ends.
fn action(resource: &str) -> &'static str {
    match resource {
        "readbps" | "readiops" | "writebps" | "writeiops" => "throttle",
        "wallclock" => "sigterm",
        // The kernel only moves it to swap, if there is some: whoever goes on beyond ends, as in a cgroup of Linux.
        "memoryuse" => "sigkill",
        _ => "deny",
    }
}

/// The rules of a plan.
fn rules<'p>(plan: &'p Plan, name: &'p str) -> impl Iterator<Item = (&'p Limit, String)> {
    plan.exec.limits.iter().filter(|limit| limit.by == By::Rctl).filter_map(move |limit| {
        let rule = format!("jail:{name}:{}:{}={}", limit.resource, action(&limit.resource), limit.value?);
        Some((limit, rule))
    })
}

/// Adds them, with their undo in the journal. Where the kernel does not count, the jail runs without them, and that is told.
pub(super) fn add(plan: &Plan, name: &str, journal: &mut Journal, observer: &mut dyn Observer) -> Result<(), RunError> {
    if rules(plan, name).next().is_none() {
        return Ok(());
    }
    // Rules outlive their jail, and those of an earlier one would hold for this one as well.
    let _ = rctl::remove_rule(&filter(name));
    journal.will(Undo::RemoveLimits { jail: name.to_owned() }).map_err(RunError::unwritten)?;
    for (limit, rule) in rules(plan, name) {
        match rctl::add_rule(&rule) {
            Ok(()) => {}
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOSYS) => {
                observer.left(
                    "limits of the whole jail are not held: set kern.racct.enable=1 in /boot/loader.conf and restart the host",
                );
                return Ok(());
            }
            Err(cause) => return Err(failed(&limit.resource, cause)),
        }
    }
    Ok(())
}

/// All rules of a jail.
fn filter(name: &str) -> String {
    format!("jail:{name}")
}

fn failed(resource: &str, cause: io::Error) -> RunError {
    RunError::setup(format!("limit the jail's {resource} by rctl(8)"), cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_refused_is_slowed_down_or_ends() {
        let all = ["memoryuse", "nthr", "readbps", "writeiops", "wallclock"].map(action);
        assert_eq!(all, ["sigkill", "deny", "throttle", "throttle", "sigterm"]);
    }
}
