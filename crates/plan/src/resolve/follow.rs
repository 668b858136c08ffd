//! `links = "follow"`: what the links in a directory lead to is inside as well, at its own place.
//!
//! Nobody has named these ends, so the law is stricter than for what is named: only links of root's and the caller's, which nobody
//! else could replace, and nothing that stands above what is inside or that the program may write to.

use std::path::Path;

use thinjail_closure::tree::{Kind, Resolved};

use super::identity::Who;
use super::inside::{Inside, Node};
use super::links::Writable;
use super::mounts;
use super::problem::{Problem, Report};
use crate::facts::{Facts, LinkFact, LinksFact, LinksLimit, PathFact};
use crate::path::{HostPath, RootPath};
use crate::plan::Plan;
use crate::spec::Spec;
use crate::spec::choices::choices;
use crate::step::Step;
use crate::wishes::Wish;

/// What every jail has of its own, or what is the kernel's.
pub const SYSTEM: [&str; 3] = ["/dev", "/proc", "/sys"];

/// Where jails are kept, of root and of users.
const STATE: [&str; 3] = ["/run/thinjail", "/var/run/thinjail", "/run/user"];

/// Whether they are followed.
pub(crate) fn wanted(spec: &Spec) -> bool {
    spec.links.as_deref() == Some("follow")
}

/// Puts their ends inside.
pub(super) fn follow(
    spec: &Spec,
    (who, writable): (&Who, &Writable),
    facts: &Facts,
    inside: &mut Inside,
    report: &mut Report,
) {
    if let Some(written) = spec.links.as_deref().filter(|written| !choices("links").contains(written)) {
        report.problem(super::exec::one_of("links", written));
    }
    if !wanted(spec) {
        return;
    }
    let mut all: Vec<(&LinkFact, &Resolved)> = Vec::new();
    for (directory, found) in &facts.links {
        if let Some(limit) = &found.limit {
            report.problem(
                Problem::setup(format!("links = \"follow\": {}", over(directory, limit)))
                    .help("name the directories below it that the program needs in read, or take `links` out"),
            );
        }
        for (at, why) in &found.closed {
            report.note(format!("links = \"follow\": no link below {at} is followed: {why}"));
        }
        for link in &found.links {
            match &link.way {
                PathFact::Found(found) => all.push((link, found)),
                // It leads nowhere on the host either.
                PathFact::Missing { .. } => {}
                PathFact::Refused { why } => report.note(not_followed(link, why)),
            }
        }
    }
    // Parents first, so that what is below one that is followed is there already.
    all.sort_by(|one, other| one.1.real.cmp(&other.1.real));
    let named = inside.entries.iter().map(|(at, entry)| (at.clone(), !matches!(entry.node, Node::Dir)));
    let named: Vec<(RootPath, bool)> = named.collect();
    for (link, found) in all {
        if SYSTEM.iter().any(|own| found.real.starts_with(own)) {
            continue;
        }
        let put = refuse(link, found, writable, (spec, facts), &named)
            .and_then(|()| put(link, found, who, facts, inside, report).map_err(|problem| problem.what));
        if let Err(why) = put {
            report.note(not_followed(link, &why));
        }
    }
}

fn not_followed(LinkFact { at, to, .. }: &LinkFact, why: &str) -> String {
    format!("the link {at} -> {to} is not followed: {why}")
}

/// What its end must not be.
fn refuse(
    link: &LinkFact,
    found: &Resolved,
    writable: &Writable,
    (spec, facts): (&Spec, &Facts),
    named: &[(RootPath, bool)],
) -> Result<(), String> {
    let real = found.real.as_path();
    if real == Path::new("/") {
        return Err("it is the whole host".into());
    }
    if found.links.iter().any(|link| link.loose || !(link.uid == 0 || link.uid == facts.caller)) {
        return Err("a user other than root could point it elsewhere".into());
    }
    let places = found.links.iter().map(|link| link.at.as_path()).chain([Path::new(link.at.as_str()), real]);
    if places.into_iter().any(|place| writable.holds(place)) || writable.meets(real) {
        return Err("the program may write there".into());
    }
    let kind = match found.meta.kind {
        Kind::File | Kind::Directory => None,
        Kind::CharDevice | Kind::BlockDevice => Some("a device"),
        Kind::Fifo => Some("a FIFO"),
        Kind::Socket => Some("a socket"),
        Kind::Symlink => Some("a link"),
    };
    if let Some(kind) = kind {
        return Err(format!("{} is {kind}, which has to be named", real.display()));
    }
    if STATE.iter().map(Path::new).any(|state| state.starts_with(real) || real.starts_with(state)) {
        return Err(format!("{} has what jails are kept in", real.display()));
    }
    let secret =
        |path: &String| match HostPath::new(path.trim_start_matches('-')).ok().map(|path| facts.paths.get(&path)) {
            Some(Some(PathFact::Found(secret))) => secret.real.starts_with(real) || secret.meta.id == found.meta.id,
            _ => Path::new(path).starts_with(real),
        };
    if let Some(path) = spec.secrets.iter().chain(&spec.env_file).find(|path| secret(path)) {
        return Err(format!("{path} is there, which only root reads"));
    }
    // Nobody has asked for all that is beside what is inside. A directory that is mounted itself is no surprise.
    let mounted = named.iter().any(|(at, mounted)| *mounted && Path::new(at.as_str()) == real);
    let below =
        named.iter().map(|(at, _)| at).find(|at| at.as_str() != "/" && Path::new(at.as_str()).starts_with(real));
    match below {
        Some(below) if !mounted => Err(format!("{} is above {below}, which is inside by itself", real.display())),
        _ => Ok(()),
    }
}

fn put(
    link: &LinkFact,
    found: &Resolved,
    who: &Who,
    facts: &Facts,
    inside: &mut Inside,
    report: &mut Report,
) -> Result<(), Problem> {
    let LinkFact { at, to, .. } = link;
    let said = format!("links = \"follow\": {at}");
    let there = inside.entries.iter().any(|(place, entry)| match &entry.node {
        Node::Bind { source, .. } => source.path.inside() == *place && covers(&source.path, found),
        Node::Dir => false,
        _ => Path::new(place.as_str()) == found.real,
    });
    if there {
        return match facts.paths.get(to) {
            Some(PathFact::Found(way)) => inside.make_way(to.as_str(), way, &said),
            _ => Ok(()),
        };
    }
    let wish = Wish { said, source: to.clone(), target: None, write: false, exec: true, optional: true, make: None };
    mounts::attempt(&wish, who, facts, inside, report).map(drop)
}

fn covers(directory: &HostPath, found: &Resolved) -> bool {
    found.real.starts_with(directory.as_str())
}

/// Which figure was reached, and where.
fn over(directory: &HostPath, limit: &LinksLimit) -> String {
    match limit {
        LinksLimit::Names(most, at) => {
            format!("below {directory} are more than {most} names, of which {at} has the next")
        }
        LinksLimit::Links(most, at) => {
            format!("below {directory} more than {most} links lead out of it, of which {at} has the next")
        }
    }
}

/// One sentence for each link that leads to what is not inside, with the line that would bring it.
#[must_use]
pub fn dangling(plan: &Plan, facts: &Facts) -> Vec<String> {
    let steps = || plan.host.iter().chain(&plan.inside).map(|planned| &planned.step);
    let is_there = |found: &Resolved| {
        SYSTEM.iter().any(|own| found.real.starts_with(own))
            || steps().any(|step| match step {
                Step::Bind { source, at, .. } => source.path.inside() == *at && covers(&source.path, found),
                step => step.at().is_some_and(|at| Path::new(at.as_str()) == found.real),
            })
    };
    let mut said = Vec::new();
    for (directory, LinksFact { links, limit, .. }) in &facts.links {
        for LinkFact { at, to, way } in links {
            match way {
                PathFact::Found(found) if is_there(found) => {}
                PathFact::Found(found)
                    if matches!(found.meta.kind, Kind::File | Kind::Directory | Kind::Socket) && to.as_str() != "/" =>
                {
                    said.push(format!(
                        "the link {at} leads to {to}, which is not inside: write read = [{:?}], or links = \"follow\" for \
                         all of them",
                        to.as_str()
                    ));
                }
                PathFact::Found(_) => said.push(format!("the link {at} leads to {to}, which can't be inside")),
                PathFact::Refused { why } => said.push(format!(
                    "the link {at} leads to {to}, which is not followed: {why}; write read = [{:?}] if it is meant",
                    to.as_str()
                )),
                PathFact::Missing { .. } => {}
            }
        }
        if let Some(limit) = limit {
            said.push(format!("{}: not all of its links were looked at", over(directory, limit)));
        }
    }
    said
}
