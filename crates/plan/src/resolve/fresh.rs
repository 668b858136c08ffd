//! Files of the host that are inside by themselves: which of them are put there anew when the host has others at their names,
//! and what of such a change is allowed.

use std::collections::BTreeSet;
use std::path::Path;

use thinjail_closure::tree::{Kind, Resolved};

use super::inside::{Inside, Origin};
use super::links::Writable;
use super::problem::{Problem, Report};
use super::{links, mounts};
use crate::facts::{Facts, PathFact, ProgramFact, SystemKind};
use crate::path::HostPath;
use crate::plan::{Fresh, Plan};
use crate::spec::Spec;
use crate::step::{Content, Planned, Source, Step};

/// Those that are only read, and loaded by no program of the plan: one that runs keeps the library that it began with.
pub(super) fn find(steps: &[Planned], inside: &Inside, writable: &Writable, facts: &Facts) -> Vec<Fresh> {
    let loaded: BTreeSet<&Path> = loaded(facts).collect();
    let found = steps.iter().filter_map(|planned| {
        let at = planned.step.at()?;
        let entry = inside.entries.get(at).filter(|entry| matches!(entry.origin, Origin::Written | Origin::Usual))?;
        let source = source(&planned.step)?;
        if loaded.contains(Path::new(source.path.as_str())) {
            return None;
        }
        let asked = entry.asked.clone()?;
        let PathFact::Found(found) = facts.paths.get(&asked)? else { return None };
        let names = names(found, &source.path);
        // Where the program can move the file or a directory above it, it would choose what comes in while we look.
        let moved = |path: &HostPath| writable.holds(Path::new(path.as_str()));
        (!moved(&asked) && !names.iter().any(moved)).then(|| Fresh { at: at.clone(), asked, names })
    });
    found.collect()
}

fn names(found: &Resolved, real: &HostPath) -> Vec<HostPath> {
    let links = found.links.iter().filter_map(|link| HostPath::from_path(&link.at).ok());
    links.chain([real.clone()]).collect()
}

/// The file that a step shows or copies.
fn source(step: &Step) -> Option<&Source> {
    match step {
        Step::Bind { source, access, .. } if source.kind == Kind::File && !access.write => Some(source),
        Step::PutFile { content: Content::Copy(source), .. } => Some(source),
        _ => None,
    }
}

fn loaded(facts: &Facts) -> impl Iterator<Item = &Path> {
    let closures = facts.programs.values().filter_map(|program| match program {
        ProgramFact::Closure(closure) => Some(closure),
        ProgramFact::NotFound { .. } | ProgramFact::NotExecutable { .. } => None,
    });
    closures.flat_map(|closure| &closure.members).map(|member| member.resolved.real.as_path())
}

/// `reload-on-change`, where nobody could keep it.
pub(super) fn check(
    spec: &Spec,
    (kind, landlocked, alone, own): (SystemKind, bool, bool, bool),
    fresh: &[Fresh],
    report: &mut Report,
) {
    if spec.reload_on_change != Some(true) {
        return;
    }
    let what = if kind == SystemKind::FreeBsd {
        (
            "reload-on-change: on FreeBSD nobody watches the files",
            "write it under [linux]; here it is `thinjail refresh`",
        )
    } else if landlocked {
        ("isolation = \"landlock\": reload-on-change needs mounts of the jail's own", "take `reload-on-change` out")
    } else if alone {
        ("supervisor = false: reload-on-change needs one who watches the files", "take `reload-on-change` out")
    } else if own {
        (
            "reload-on-change: without root nobody replaces files inside",
            "take `reload-on-change` out, or run it as root",
        )
    } else if fresh.is_empty() {
        (
            "reload-on-change: no file of the host is inside by itself",
            "name files in read or [[mount]]; what is in a directory that is named is not watched",
        )
    } else {
        return;
    };
    report.problem(Problem::setup(what.0).help(what.1));
}

/// What is to be inside from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Newer {
    /// The file.
    pub source: Source,
    /// Every name that leads there.
    pub names: Vec<HostPath>,
    /// Its mode, owner and group, which a copy keeps.
    pub owned: (u32, u32, u32),
}

/// What stands on the host at the end of its path by now, if the law of links lets it in: the same as at the start.
///
/// # Errors
/// Why it may not come in, or that there is none.
pub fn decide(fresh: &Fresh, plan: &Plan, facts: &Facts) -> Result<Newer, Problem> {
    let asked = &fresh.asked;
    let said = format!("refresh {asked}");
    match facts.paths.get(asked) {
        Some(PathFact::Found(found)) => {
            links::judge(&said, found, facts.caller)?;
            let writable = Writable::of_plan(plan);
            writable.judge(&said, found)?;
            if writable.holds(&found.real) {
                return Err(Problem::setup(format!("{said}: the program may write to {}", found.real.display()))
                    .help("restart the jail if that is what is meant"));
            }
            if found.meta.kind != Kind::File {
                return Err(Problem::setup(format!("{said}: {} is no regular file", found.real.display()))
                    .help("restart the jail if that is what is meant"));
            }
            let path = HostPath::from_path(&found.real).map_err(|error| Problem::setup(format!("{said}: {error}")))?;
            mounts::refuse(&said, &path, facts)?;
            let names = names(found, &path);
            let source = Source { path, id: Some(found.meta.id), kind: Kind::File };
            Ok(Newer { source, names, owned: (found.meta.mode, found.meta.uid, found.meta.gid) })
        }
        Some(PathFact::Missing { at, .. }) => {
            Err(Problem::setup(format!("{said}: {at} does not exist")).help("the jail keeps the one that it has"))
        }
        Some(PathFact::Refused { why }) => Err(Problem::setup(format!("{said}: {why}"))),
        None => Err(Problem::setup(format!("{said}: the facts say nothing of it"))),
    }
}
