//! A caller who is not root: on Linux a user namespace in which they are themselves and nobody else. Every key that needs a
//! second id, or a privilege, is named.

use thinjail_closure::tree::Meta;

use super::identity::{self, Who};
use super::problem::Problem;
use crate::facts::{Facts, PathFact, SystemKind};
use crate::path::HostPath;
use crate::plan::Ids;
use crate::spec::Spec;
use crate::step::{Planned, Step};
use crate::wishes::{Wish, wishes};

/// Why the caller can't carry out this plan: every key that keeps them from it. Whoever only looks at one needs nothing.
#[must_use]
pub fn privilege(spec: &Spec, facts: &Facts) -> Vec<Problem> {
    let kind = facts.system.kind();
    let uid = facts.caller;
    if uid == 0 {
        return Vec::new();
    }
    if kind == SystemKind::FreeBsd {
        let what = format!("only root can make a jail on FreeBSD, and the caller is uid {uid}");
        return vec![Problem::setup(what).help("run it as root")];
    }
    let spec = &spec.for_system(kind);
    let mut problems = ids(spec, facts);
    if !spec.capabilities.is_empty() {
        problems.push(refused("capabilities: without root no program can be given any", "capabilities").help(
            "take `capabilities` out, or run it as root; for a port below 1024 alone, root can lower \
                 net.ipv4.ip_unprivileged_port_start by sysctl(8)",
        ));
    }
    for wish in wishes(spec, kind).into_iter().flatten() {
        problems.extend(made(&wish, facts));
    }
    problems.extend(spec.pidfile.as_deref().and_then(|written| pidfile(written, facts)));
    problems
}

/// With what to do, which is the same for most.
fn refused(what: impl Into<String>, key: &str) -> Problem {
    Problem::setup(what).help(format!("take `{key}` out, or run it as root"))
}

fn ids(spec: &Spec, facts: &Facts) -> Vec<Problem> {
    let mut problems = Vec::new();
    let uid = facts.caller;
    // What can't be looked up is told of by the plan itself.
    let other = |written: &String| identity::owner(written, facts).is_ok_and(|(found, _)| found != uid);
    if let Some(written) = spec.user.as_ref().filter(|written| other(written)) {
        problems.push(refused(
            format!("user = {written:?}: without root a jail runs as its caller, who is uid {uid}, and as nobody else"),
            "user",
        ));
    }
    if let Some(written) = &spec.group
        && identity::group(written, "group", facts).is_ok_and(|gid| gid != facts.caller_gid)
    {
        problems.push(refused(
            format!(
                "group = {written:?}: without root a jail has its caller's group, which is gid {}",
                facts.caller_gid
            ),
            "group",
        ));
    }
    if let Some(written) = &spec.groups {
        let mut gids: Vec<u32> =
            written.iter().filter_map(|name| identity::group(name, "groups", facts).ok()).collect();
        gids.sort_unstable();
        gids.dedup();
        if gids != facts.caller_groups {
            problems
                .push(refused("groups: without root no group can be taken or dropped; the caller's stay", "groups"));
        }
    }
    problems
}

/// A directory that is to be made, and its owner.
fn made(wish: &Wish, facts: &Facts) -> Vec<Problem> {
    let Some(make) = &wish.make else { return Vec::new() };
    let said = &wish.said;
    let mut problems = Vec::new();
    if let Some(owner) = &make.owner
        && identity::owner(owner, facts).is_ok_and(|(uid, _)| uid != facts.caller)
    {
        problems.push(refused(format!("{said}: owner = {owner:?}: without root nothing can be given away"), "owner"));
    }
    if let Some(group) = &make.group
        && identity::group(group, "group", facts).is_ok_and(|gid| gid != facts.caller_gid)
    {
        problems.push(refused(format!("{said}: group = {group:?}: without root nothing can be given away"), "group"));
    }
    if let Some(PathFact::Missing { parent, .. }) = facts.paths.get(&wish.source)
        && !may_write(&parent.meta, facts)
    {
        let (source, uid, gid) = (&wish.source, facts.caller, facts.caller_gid);
        problems.push(
            Problem::setup(format!("{said}: uid {uid} may make nothing in {}", parent.real.display())).help(format!(
                "make it once as root: install -d -o {uid} -g {gid} -m {:o} {source}; or write a [[mount]] of a directory of yours",
                make.mode
            )),
        );
    }
    problems
}

fn pidfile(written: &str, facts: &Facts) -> Option<Problem> {
    let dir = HostPath::new(written).ok()?.parent()?;
    match facts.paths.get(&dir) {
        Some(PathFact::Found(found)) if !may_write(&found.meta, facts) => Some(
            Problem::setup(format!("pidfile = {written:?}: uid {} may make nothing in {dir}", facts.caller))
                .help("write a path in a directory of yours, or take `pidfile` out"),
        ),
        _ => None,
    }
}

/// The kernel's rule: the first class that fits decides.
fn may_write(meta: &Meta, facts: &Facts) -> bool {
    let class = if meta.uid == facts.caller {
        6
    } else if meta.gid == facts.caller_gid || facts.caller_groups.contains(&meta.gid) {
        3
    } else {
        0
    };
    (meta.mode >> class) & 0o3 == 0o3
}

/// Nobody else is mapped, so what would be root's is the caller's; and the groups that the caller has can't be dropped.
pub(super) fn own(ids: &mut Ids, facts: &Facts, steps: [&mut Vec<Planned>; 2]) {
    ids.groups.clone_from(&facts.caller_groups);
    for planned in steps.into_iter().flatten() {
        match &mut planned.step {
            Step::MakeHostDir { uid, gid, .. }
            | Step::MakeDir { uid, gid, .. }
            | Step::PutFile { uid, gid, .. }
            | Step::Tmpfs { uid, gid, .. } => (*uid, *gid) = (ids.uid, ids.gid),
            _ => {}
        }
    }
}

/// What the reader should know of it.
pub(super) fn note(can: bool, who: &Who, facts: &Facts) -> Option<String> {
    match facts.caller {
        0 => None,
        uid if can => Some(format!(
            "the caller is uid {uid}: the jail is made in a user namespace, where everything that thinjail makes belongs to \
             uid {}; the caller's groups stay, which need privilege to be dropped",
            who.ids.uid
        )),
        uid => Some(format!("the caller is uid {uid}, who may look: only root can run it, `check` says why")),
    }
}
