//! What is wrong though nothing is wrong with the plan: files of the host that the user may not use, programs that the user may
//! replace, and secrets that are none.
//!
//! By the permission bits alone, or without them, which is why they are doubts and no problems: an ACL may say otherwise, and a
//! daemon may never touch the place.

use std::collections::BTreeSet;
use std::path::Path;

use thinjail_closure::tree::{Kind, Meta};

use crate::facts::{Facts, PathFact, ProgramFact, RuntimeFact, SystemKind};
use crate::path::HostPath;
use crate::plan::{Exec, Plan};
use crate::resolve::Writable;
use crate::step::{Content, Step};

const READ: u32 = 0o4;
const WRITE: u32 = 0o2;
const SEARCH: u32 = 0o1;

/// One sentence for each file or directory of the host that is inside, and that the user who runs may not use; one of what the
/// program may replace, and will be executed at the next start; and one for each secret that everybody may read on the host.
#[must_use]
pub fn doubts(plan: &Plan, facts: &Facts) -> Vec<String> {
    unusable(plan, facts).into_iter().chain(replaceable(plan, facts)).chain(told(plan, facts)).collect()
}

/// What is copied for the user that runs alone, and is no secret where it comes from.
fn told(plan: &Plan, facts: &Facts) -> Vec<String> {
    let copies = plan.host.iter().chain(&plan.inside).filter_map(|planned| match &planned.step {
        Step::PutFile { content: Content::Copy(source), .. } => Some((&source.path, &planned.why)),
        _ => None,
    });
    let secrets = copies.filter(|(_, why)| why.starts_with("secrets = "));
    let open = secrets.filter_map(|(path, why)| {
        let meta = meta_of(path, facts)?;
        let mode = meta.mode & 0o7777;
        (mode & READ != 0).then(|| {
            format!("{why}: everybody on the host may read {path}, mode {mode:04o}: `chmod o-r` it, or name it in read")
        })
    });
    open.collect()
}

/// What is known of a file of the host.
fn meta_of<'f>(path: &HostPath, facts: &'f Facts) -> Option<&'f Meta> {
    facts.paths.values().find_map(|fact| match fact {
        PathFact::Found(found) if found.real == path.as_ref() => Some(&found.meta),
        _ => None,
    })
}

/// Programs, libraries and what a runtime reads, below what the program may write to: they are looked at and believed at each start.
fn replaceable(plan: &Plan, facts: &Facts) -> Option<String> {
    const SHOWN: usize = 3;
    let writable = Writable::of_plan(plan);
    let closures = facts.programs.values().filter_map(|program| match program {
        ProgramFact::Closure(closure) => Some(closure),
        ProgramFact::NotFound { .. } | ProgramFact::NotExecutable { .. } => None,
    });
    let loaded = closures.flat_map(|closure| &closure.members).map(|member| member.resolved.real.as_path());
    let parts = facts.runtime.iter().flat_map(|runtime| match runtime {
        RuntimeFact::Parts { parts, .. } => parts.as_slice(),
        RuntimeFact::Refused { .. } => &[],
    });
    let parts = parts.filter_map(|part| match facts.paths.get(&HostPath::from_path(&part.path).ok()?) {
        Some(PathFact::Found(found)) => Some(found.real.as_path()),
        _ => None,
    });
    let found: BTreeSet<&Path> = loaded.chain(parts).filter(|real| writable.holds(real)).collect();
    let shown: Vec<String> = found.iter().take(SHOWN).map(|path| path.display().to_string()).collect();
    let more = match found.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!found.is_empty()).then(|| {
        let shown = shown.join(", ");
        format!("the program may write to {shown}{more}, and so choose what is executed at the next start: keep it elsewhere")
    })
}

fn unusable(plan: &Plan, facts: &Facts) -> Vec<String> {
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
        let meta = meta_of(path, facts)?;
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
