//! The way to each thing: its parents are made if the place is ours; below a directory of the host nothing can be made,
//! so what is mounted there must have its mount point there already.

use std::collections::BTreeMap;

use thinjail_closure::tree::Kind;

use super::inside::{Entry, Inside, Node, Origin};
use super::problem::{Problem, Report};
use crate::facts::{Facts, PathFact};
use crate::path::{HostPath, RootPath};
use crate::step::{Access, Content, Planned, Source};

/// What is found going up from a place.
enum Way<'a> {
    /// Memory of ours; these directories are to be made.
    Ours(Vec<RootPath>),
    /// A directory of the host.
    Within(&'a RootPath, &'a Entry),
    /// Something that nothing can be put below.
    Blocked(&'a RootPath, &'a Entry),
}

/// What becomes of a thing below a directory of the host.
enum Within {
    /// It is seen there already.
    Visible,
    /// It is mounted there.
    Mounted,
}

impl Inside {
    /// All steps in order, parents first.
    pub(super) fn finish(&self, facts: &Facts, report: &mut Report) -> Vec<Planned> {
        let mut steps: BTreeMap<Vec<&str>, Planned> = BTreeMap::new();
        // Each with the first thing below it, which is its reason.
        let mut dirs: BTreeMap<RootPath, &RootPath> = BTreeMap::new();
        for (at, entry) in &self.entries {
            let wanted = match self.way(at, &dirs) {
                Way::Ours(missing) => {
                    dirs.extend(missing.into_iter().map(|dir| (dir, at)));
                    true
                }
                Way::Within(dir, host) => match within(at, entry, dir, host, facts, report) {
                    Ok(Within::Mounted) => true,
                    Ok(Within::Visible) => false,
                    Err(problem) => {
                        report.problem(problem);
                        false
                    }
                },
                Way::Blocked(by, blocker) => {
                    report.problem(blocked(at, entry, by, blocker));
                    false
                }
            };
            if wanted {
                steps.insert(
                    at.parts().collect(),
                    Planned { step: entry.node.step(at.clone()), why: entry.why.clone() },
                );
            }
        }
        for (dir, to) in &dirs {
            let step = Node::Dir.step(dir.clone());
            steps.insert(dir.parts().collect(), Planned { step, why: format!("on the way to {to}") });
        }
        steps.into_values().collect()
    }

    /// What lies on the way up from `at`; `made` are directories on ways of ours that were gone before.
    fn way(&self, at: &RootPath, made: &BTreeMap<RootPath, &RootPath>) -> Way<'_> {
        let mut missing = Vec::new();
        let mut up = at.parent();
        while let Some(dir) = up {
            match self.entries.get_key_value(&dir) {
                None if made.contains_key(&dir) => return Way::Ours(missing),
                None => missing.push(dir.clone()),
                Some((key, entry)) => match &entry.node {
                    Node::Dir => {}
                    Node::Tmpfs { .. } => return Way::Ours(missing),
                    Node::Devices { .. } if self.entries.get(at).is_some_and(|e| e.origin == Origin::Base) => {
                        return Way::Ours(missing);
                    }
                    Node::Bind { source, .. } if source.kind == Kind::Directory => return Way::Within(key, entry),
                    _ => return Way::Blocked(key, entry),
                },
            }
            up = dir.parent();
        }
        Way::Ours(missing)
    }

    /// Whether a working directory would be there: one that is made, or one in a directory of the host.
    pub(super) fn has_dir(&self, at: &RootPath, facts: &Facts) -> bool {
        if let Some(entry) = self.entries.get(at) {
            return entry.node.is_dir();
        }
        if self.entries.keys().any(|other| other.below(at).is_some()) {
            return true;
        }
        match self.way(at, &BTreeMap::new()) {
            Way::Within(dir, host) => matches!(there(at, dir, host, facts), Some((_, kind)) if kind == Kind::Directory),
            Way::Ours(_) | Way::Blocked(..) => false,
        }
    }
}

fn blocked(at: &RootPath, entry: &Entry, by: &RootPath, blocker: &Entry) -> Problem {
    let problem = |says: String| Problem::setup(format!("{at} can't be made ({}): {says}", entry.why));
    match &blocker.node {
        Node::Link { to } => {
            let target = if to.starts_with('/') {
                to.clone()
            } else {
                format!("{}/{to}", by.parent().map_or(String::new(), |dir| dir.as_str().trim_end_matches('/').into()))
            };
            let below = at.below(by).unwrap_or_default();
            problem(format!("{by} is a link to {to} ({})", blocker.why)).help(format!("write {target}/{below}"))
        }
        Node::Devices { .. } => problem(format!("{by} holds devices only")).help("name a device in devices = [...]"),
        Node::Proc { .. } => problem(format!("{by} is proc(5)")),
        _ => problem(format!("{by} is a file ({})", blocker.why)).help("give one of them another target"),
    }
}

/// Decides what becomes of `entry`, whose place lies below `dir`, a directory of the host.
fn within(
    at: &RootPath,
    entry: &Entry,
    dir: &RootPath,
    host: &Entry,
    facts: &Facts,
    report: &mut Report,
) -> Result<Within, Problem> {
    let Node::Bind { source, access } = &host.node else { return Ok(Within::Mounted) };
    let there_as = beneath(source, at, dir).map_err(|error| Problem::setup(format!("{}: {error}", entry.why)))?;
    let same = match &entry.node {
        Node::Bind { source, .. } | Node::File { content: Content::Copy(source), .. } => source.path == there_as,
        Node::Link { .. } | Node::Dir => at.as_str() == there_as.as_str(),
        _ => false,
    };
    if same && suffices(entry, *access) {
        return Ok(Within::Visible);
    }
    if entry.origin == Origin::Usual {
        report.note(format!("{at} is what {there_as} is: the host's directory is inside as a whole ({})", host.why));
        return Ok(Within::Visible);
    }
    if entry.origin == Origin::Pidfile {
        return Ok(Within::Visible);
    }
    match &entry.node {
        Node::Bind { .. } if same => Ok(Within::Mounted),
        Node::Bind { .. } | Node::Tmpfs { .. } => mount_point(at, entry, dir, host, &there_as, facts),
        _ => Err(Problem::setup(format!(
            "{at} can't be made ({}): {dir} is the host's {} ({}), where nothing is written",
            entry.why, source.path, host.why
        ))
        .help("give one of them another target")),
    }
}

/// Whether what is seen through the enclosing mount is good enough.
fn suffices(entry: &Entry, have: Access) -> bool {
    match &entry.node {
        Node::Bind { access, .. } if entry.origin == Origin::Written => *access == have,
        Node::Bind { .. } | Node::File { .. } => have.exec || entry.origin == Origin::Usual,
        _ => true,
    }
}

fn beneath(source: &Source, at: &RootPath, dir: &RootPath) -> Result<HostPath, crate::path::PathError> {
    source.path.join(at.below(dir).unwrap_or_default())
}

/// What is on the host at a place below a mounted directory, as far as is known: its real path and its type.
fn there(at: &RootPath, dir: &RootPath, host: &Entry, facts: &Facts) -> Option<(HostPath, Kind)> {
    let Node::Bind { source, .. } = &host.node else { return None };
    let rest = at.below(dir)?;
    let asked = [host.asked.as_ref().unwrap_or(&source.path), &source.path];
    asked.iter().find_map(|base| match facts.paths.get(&base.join(rest).ok()?)? {
        PathFact::Found(found) => Some((HostPath::from_path(&found.real).ok()?, found.meta.kind)),
        PathFact::Missing { .. } | PathFact::Refused { .. } => None,
    })
}

fn mount_point(
    at: &RootPath,
    entry: &Entry,
    dir: &RootPath,
    host: &Entry,
    expected: &HostPath,
    facts: &Facts,
) -> Result<Within, Problem> {
    let needs_dir = entry.node.is_dir();
    let (what, make) = if needs_dir { ("directory", "mkdir -p") } else { ("file", "touch") };
    let problem = |says: String| {
        Problem::setup(format!("{at} has no mount point ({}): {says}", entry.why))
            .help(format!("make it on the host: {make} {expected}"))
    };
    match there(at, dir, host, facts) {
        Some((real, _)) if real != *expected => {
            Err(problem(format!("{expected} is a link to {real}")).help("give it the target that the link leads to"))
        }
        Some((_, kind)) if (kind == Kind::Directory) == needs_dir => Ok(Within::Mounted),
        Some(_) => Err(problem(format!("{expected} is there, but is no {what}")).help("give it another target")),
        None => {
            let source = host.node.source().map_or(dir.as_str(), |source| source.path.as_str());
            Err(problem(format!("{dir} is the host's {source}, and there is no {what} {expected}")))
        }
    }
}
