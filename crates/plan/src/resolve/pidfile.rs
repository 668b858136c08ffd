//! The pidfile: the host's holds a pid of the host and is written by the supervisor. What the daemon writes at the same
//! path holds a pid of the jail, which on the host belongs to a stranger; so it must stay inside.

use thinjail_closure::tree::{Kind, Resolved};

use super::identity::Who;
use super::inside::{Entry, Inside, Node, Origin};
use super::links::{self, Writable};
use super::problem::{Problem, Report};
use crate::defaults::PIDFILE_DIR_SIZE;
use crate::facts::{Facts, PathFact};
use crate::path::{HostPath, RootPath};
use crate::step::{Access, Content};

pub(super) fn resolve(
    written: &str,
    (facts, writable): (&Facts, &Writable),
    (who, unsupervised): (&Who, bool),
    inside: &mut Inside,
    report: &mut Report,
) -> Result<HostPath, Problem> {
    let said = format!("pidfile = {written:?}");
    let bad = |error| Problem::setup(format!("{said}: {error}"));
    let path = HostPath::new(written).map_err(bad)?;
    let (Some(dir), Some(name)) = (path.parent(), path.name()) else {
        return Err(Problem::setup(format!("{said} is no file")).help("write a path such as \"/run/nginx.pid\""));
    };
    // Before the directory is looked at: it may be one that we are going to make.
    leak(&said, &path, inside)?;
    let found = directory(&said, &dir, facts, writable)?;
    let real = HostPath::from_path(&found.real).map_err(bad)?;
    let at = real.inside();
    if ["/", "/dev", "/etc", "/proc", "/sys"].iter().any(|ours| at.as_str() == *ours) {
        return Err(
            Problem::setup(format!("{said}: {at} is no place for it")).help("write a path such as \"/run/nginx.pid\"")
        );
    }
    let path = real.join(name).map_err(bad)?;
    leak(&said, &path, inside)?;
    if let Some((below, entry)) =
        inside.entries.iter().find(|(below, entry)| below.below(&at).is_some() && is_ours(entry))
    {
        return Err(Problem::setup(format!(
            "{said}: the daemon may write to {at}, but {below} is there ({})",
            entry.why
        ))
        .help("give the pidfile a directory without programs or libraries, such as /run"));
    }
    if let Some((mount, entry)) = enclosing(&at, inside) {
        if !matches!(entry.node, Node::Tmpfs { .. }) {
            report.note(format!("the daemon can't write a pidfile of its own: {mount} is read-only ({})", entry.why));
        }
        return Ok(path);
    }
    let access = Access { write: true, exec: false, dev: false };
    let node = Node::Tmpfs { size: PIDFILE_DIR_SIZE, mode: 0o755, uid: who.ids.uid, gid: who.ids.gid, access };
    let hosts = if unsupervised { "the host has none" } else { "the host's holds a pid of the host" };
    let why = format!("the daemon's own {name} stays inside; {hosts}");
    inside.bring(dir.as_str(), found, at, Entry::new(node, Origin::Pidfile, why))?;
    Ok(path)
}

pub(super) fn directory<'a>(
    said: &str,
    dir: &HostPath,
    facts: &'a Facts,
    writable: &Writable,
) -> Result<&'a Resolved, Problem> {
    match facts.paths.get(dir) {
        Some(PathFact::Found(found)) if found.meta.kind == Kind::Directory => {
            links::judge(said, found, facts.caller)?;
            writable.judge(said, found)?;
            Ok(found)
        }
        Some(PathFact::Found(_)) => Err(Problem::setup(format!("{said}: {dir} is no directory"))),
        Some(PathFact::Missing { at, .. }) => {
            Err(Problem::setup(format!("{said}: {at} does not exist"))
                .help(format!("make {dir}, or write another path")))
        }
        Some(PathFact::Refused { why }) => Err(Problem::setup(format!("{said}: {why}"))),
        None => Err(Problem::setup(format!("{said}: the facts say nothing of {dir}"))
            .help("gather the facts again with this profile")),
    }
}

/// A pid written inside must never reach the host.
fn leak(said: &str, path: &HostPath, inside: &Inside) -> Result<(), Problem> {
    let writable = inside.entries.iter().find(|(at, entry)| match &entry.node {
        Node::Bind { source, access } => {
            access.write && (path.below(&source.path).is_some() || path.inside().below(at).is_some())
        }
        _ => false,
    });
    match writable {
        None => Ok(()),
        Some((at, entry)) => Err(Problem::setup(format!(
            "{said}: what the jail writes there reaches the host through {at} ({}), and its pid means another process there",
            entry.why
        ))
        .help(format!("write a pidfile outside of {at}; the daemon's own may be anywhere"))),
    }
}

/// The mount that the directory is in or is itself, the root not counted.
fn enclosing<'a>(at: &RootPath, inside: &'a Inside) -> Option<(&'a RootPath, &'a Entry)> {
    let mut dir = Some(at.clone());
    while let Some(here) = dir.filter(|dir| dir.as_str() != "/") {
        if let Some((key, entry)) = inside.entries.get_key_value(&here)
            && matches!(entry.node, Node::Bind { .. } | Node::Tmpfs { .. })
        {
            return Some((key, entry));
        }
        dir = here.parent();
    }
    None
}

/// Programs, libraries and what we write: the daemon shall not be able to put something else in their place.
fn is_ours(entry: &Entry) -> bool {
    entry.origin == Origin::Closure
        || matches!(&entry.node, Node::File { content: Content::Text(_) | Content::Bytes(_), .. })
}
