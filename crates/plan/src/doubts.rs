//! What will likely fail inside though nothing is wrong with the plan: files of the host that the user may not use.
//!
//! By the permission bits alone, which is why they are doubts and no problems: an ACL may say otherwise, and a daemon may
//! never touch the place.

use thinjail_closure::tree::{Kind, Meta};

use crate::facts::{Facts, PathFact, SystemKind};
use crate::plan::{Exec, Plan};
use crate::step::Step;

const READ: u32 = 0o4;
const WRITE: u32 = 0o2;
const SEARCH: u32 = 0o1;

/// One sentence for each file or directory of the host that is inside, and that the user who runs may not use.
#[must_use]
pub fn doubts(plan: &Plan, facts: &Facts) -> Vec<String> {
    let exec = &plan.exec;
    // It gets past the bits, or becomes a user of whom we know nothing.
    let beyond = |capability: &String| matches!(capability.as_str(), "dac_override" | "setuid");
    if exec.capabilities.iter().any(beyond) || (facts.system.kind() == SystemKind::FreeBsd && exec.ids.uid == 0) {
        return Vec::new();
    }
    let binds = plan.host.iter().chain(&plan.inside).filter_map(|planned| match &planned.step {
        Step::Bind { source, access, .. } => Some((&source.path, access.write, &planned.why)),
        _ => None,
    });
    let found = binds.filter_map(|(path, write, why)| {
        let meta = facts.paths.values().find_map(|fact| match fact {
            PathFact::Found(found) if found.real == path.as_ref() => Some(&found.meta),
            _ => None,
        })?;
        let (wanted, what) = match (meta.kind, write) {
            (Kind::Directory, true) => (WRITE | SEARCH, "make files in"),
            (Kind::Directory, false) => (SEARCH, "open files in"),
            (Kind::File, true) => (WRITE, "write to"),
            (Kind::File, false) => (READ, "read"),
            // Who may connect to a socket is the same permission as to write to it.
            (Kind::Socket, _) => (WRITE, "connect to"),
            _ => return None,
        };
        let (uid, owner, group, mode) = (exec.ids.uid, meta.uid, meta.gid, meta.mode);
        (!may(exec, meta, wanted))
            .then(|| format!("{why}: uid {uid} may not {what} {path}, which is {owner}:{group}'s with mode {mode:04o}"))
    });
    found.collect()
}

/// The kernel's rule: the first class that fits decides, even where a later one may more.
fn may(exec: &Exec, meta: &Meta, wanted: u32) -> bool {
    let class = if exec.ids.uid == meta.uid {
        6
    } else if exec.ids.gid == meta.gid || exec.ids.groups.contains(&meta.gid) {
        3
    } else {
        0
    };
    (meta.mode >> class) & wanted == wanted
}
