//! FreeBSD: nothing is told without a look into each process; see ps(1) and sockstat(1) with `-J` and `-j`.

use super::Usage;

/// Of the jail of this supervisor.
pub(super) fn of(_supervisor: i32) -> Usage {
    Usage::default()
}

/// Not told without libraries of the base system.
pub(super) fn listens(_pid: i32) -> Option<Vec<String>> {
    None
}
