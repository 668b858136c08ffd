//! `read`, `write`, `[[mount]]`, `run-dir` and its kin: what of the host is inside, and what is made on the host for it.

use thinjail_closure::tree::{Kind, Meta, Resolved};

use super::identity::{self, Who};
use super::inside::{Entry, Inside, Node, Origin};
use super::links;
use super::problem::{Problem, Report};
use crate::defaults::{Dir, OLD_RUN};
use crate::facts::{Facts, PathFact, System};
use crate::path::{HostPath, RootPath};
use crate::special;
use crate::step::{Access, Content, Planned, Source, Step};
use crate::wishes::{Make, Wish};

/// Where single-file nullfs mounts are safe: 13.2 panics.
const FILE_MOUNTS: u32 = 1_400_000;

/// Decides one wish. Returns the directories to make on the host.
pub(super) fn place(wish: &Wish, who: &Who, facts: &Facts, inside: &mut Inside, report: &mut Report) -> Vec<Planned> {
    let decided = attempt(wish, who, facts, inside, report);
    report.keep(decided).unwrap_or_default()
}

/// The same for what nobody has named, so that a refusal is no fault of the profile.
pub(super) fn attempt(
    wish: &Wish,
    who: &Who,
    facts: &Facts,
    inside: &mut Inside,
    report: &mut Report,
) -> Result<Vec<Planned>, Problem> {
    refuse_source(&wish.said, wish.source.as_str(), wish.write)?;
    refuse_target(&wish.said, wish.place().as_str())?;
    decide(wish, who, facts, inside, report)
}

/// Parts of the host that undo a jail; asked of a path as it is written, and again of where it leads.
fn refuse_source(said: &str, source: &str, write: bool) -> Result<(), Problem> {
    if under(source, "/dev") {
        return Err(Problem::setup(format!("{said}: /dev is made new, with the devices that are named"))
            .help(format!("write devices = [{:?}]", source.trim_start_matches("/dev").trim_start_matches('/'))));
    }
    if under(source, "/proc") {
        return Err(Problem::setup(format!("{said}: /proc shows the host's processes, and its switches"))
            .help("take it out; the jail has a /proc of its own, and proc = \"full\" shows all of it"));
    }
    if write && (source == "/" || under(source, "/sys")) {
        return Err(Problem::setup(format!("{said}: who may write to {source} controls the host"))
            .help("name the directories below it that the program writes to"));
    }
    Ok(())
}

/// The same for a file that is only read.
pub(super) fn refuse(said: &str, path: &HostPath, facts: &Facts) -> Result<(), Problem> {
    refuse_source(said, path.as_str(), false)?;
    match special::refused(path, false, facts) {
        None => Ok(()),
        Some((mounted, why)) => {
            let (at, file_system) = (&mounted.at, &mounted.file_system);
            Err(Problem::setup(format!("{said}: at {at} a {file_system} is mounted, and {why}")))
        }
    }
}

/// The same for what is mounted elsewhere than at its usual place, and comes along.
fn refuse_special(wish: &Wish, path: &HostPath, facts: &Facts) -> Result<(), Problem> {
    let Some((mounted, why)) = special::refused(path, wish.write, facts) else { return Ok(()) };
    let (said, at, file_system) = (&wish.said, &mounted.at, &mounted.file_system);
    let problem = Problem::setup(format!("{said}: at {at} a {file_system} is mounted, and {why}"));
    Err(match at.below(path) {
        Some(below) if !below.is_empty() => problem.help("name the directories beside it that the program needs"),
        _ => problem.help("take it out"),
    })
}

/// Places inside that are ours.
fn refuse_target(said: &str, place: &str) -> Result<(), Problem> {
    if place == "/" {
        return Err(Problem::setup(format!("{said}: the jail's root can't be mounted over"))
            .help("name the directories below it that the program needs, or give it another target"));
    }
    if under(place, "/dev") || under(place, "/proc") {
        return Err(Problem::setup(format!("{said}: {place} is thinjail's own in every jail"))
            .help("give it another target; devices are named by devices = [...]"));
    }
    Ok(())
}

/// Whether a path is a directory or below it.
fn under(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) fn decide(
    wish: &Wish,
    who: &Who,
    facts: &Facts,
    inside: &mut Inside,
    report: &mut Report,
) -> Result<Vec<Planned>, Problem> {
    let said = &wish.said;
    match facts.paths.get(&wish.source) {
        Some(PathFact::Found(found)) => {
            links::judge(said, found, facts.caller)?;
            let bad = |error| Problem::setup(format!("{said}: {error}"));
            let path = HostPath::from_path(&found.real).map_err(bad)?;
            refuse_source(said, path.as_str(), wish.write)?;
            refuse_special(wish, &path, facts)?;
            let source = Source { path, id: Some(found.meta.id), kind: found.meta.kind };
            if let Some(make) = &wish.make {
                found_instead(wish, make, found, who, facts, report)?;
            }
            let node = node(wish, source, &found.meta, &facts.system)?;
            put(wish, node, found, inside)?;
            Ok(Vec::new())
        }
        Some(PathFact::Missing { at, parent }) => match &wish.make {
            Some(make) => {
                links::judge(said, parent, facts.caller)?;
                make_dirs(wish, make, at, parent, who, facts, inside)
            }
            None if wish.optional => {
                report.note(format!("{said} is optional, and {at} is not there: left out"));
                Ok(Vec::new())
            }
            None => {
                Err(Problem::setup(format!("{said}: {at} does not exist")).help(if said.starts_with("[[mount]]") {
                    "make it, or write create = true, for a directory, or optional = true"
                } else {
                    "make it, or write it as a [[mount]] with create = true, for a directory, or optional = true"
                }))
            }
        },
        Some(PathFact::Refused { why }) => Err(Problem::setup(format!("{said}: {why}"))),
        None => Err(Problem::setup(format!("{said}: the facts say nothing of {}", wish.source))
            .help("gather the facts again with this profile")),
    }
}

fn put(wish: &Wish, node: Node, way: &Resolved, inside: &mut Inside) -> Result<(), Problem> {
    let entry = |node| Entry::new(node, Origin::Written, wish.said.clone()).asked(&wish.source).bytes(way.meta.size);
    match &wish.target {
        Some(target) => inside.put(target.clone(), entry(node)),
        None => {
            let real = match &node {
                Node::Bind { source, .. } | Node::File { content: Content::Copy(source), .. } => source.path.inside(),
                _ => wish.source.inside(),
            };
            refuse_target(&wish.said, real.as_str())?;
            inside.bring(wish.source.as_str(), way, real, entry(node))
        }
    }
}

/// A mount, or where single files can't be mounted, a copy.
fn node(wish: &Wish, source: Source, meta: &Meta, system: &System) -> Result<Node, Problem> {
    let said = &wish.said;
    let access = Access { write: wish.write, exec: wish.exec, dev: false };
    match (source.kind, system) {
        (Kind::Directory, _) | (Kind::File | Kind::Socket, System::Linux { .. }) => Ok(Node::Bind { source, access }),
        (Kind::File, System::FreeBsd { .. }) if !wish.write => {
            // A copy keeps its owner: a key that only its user may read stays readable to that user and nobody else.
            let mode = meta.mode & if wish.exec { 0o555 } else { 0o444 };
            Ok(Node::File { content: Content::Copy(source), mode, uid: meta.uid, gid: meta.gid })
        }
        (Kind::File, System::FreeBsd { osreldate }) if *osreldate >= FILE_MOUNTS => Ok(Node::Bind { source, access }),
        (Kind::File, System::FreeBsd { .. }) => {
            Err(Problem::setup(format!("{said}: FreeBSD below 14.0 can't mount a single file safely"))
                .help("mount its directory"))
        }
        (Kind::Socket, System::FreeBsd { .. }) => {
            Err(Problem::setup(format!("{said}: a single socket can't be mounted on this FreeBSD"))
                .help("mount its directory"))
        }
        (Kind::CharDevice | Kind::BlockDevice, _) => {
            Err(Problem::setup(format!("{said}: {} is a device", source.path)).help("name it in devices = [...]"))
        }
        (Kind::Fifo, _) => {
            Err(Problem::setup(format!("{said}: {} is a FIFO", source.path)).help("mount its directory"))
        }
        (Kind::Symlink, _) => {
            Err(Problem::setup(format!("{said}: {} is a link", source.path)).help("write what the link leads to"))
        }
    }
}

/// A directory that would have been made is there: it is left as it is, and must be one.
fn found_instead(
    wish: &Wish,
    make: &Make,
    found: &Resolved,
    who: &Who,
    facts: &Facts,
    report: &mut Report,
) -> Result<(), Problem> {
    let path = found.real.display();
    if found.meta.kind != Kind::Directory {
        return Err(Problem::setup(format!("{}: {path} is there, but is no directory", wish.said))
            .help("take create = true out, or move that file away"));
    }
    let (uid, _) = owner(make, who, facts)?;
    if found.meta.uid != uid {
        report.note(format!(
            "{}: {path} is there and belongs to uid {}, not {uid}; it stays so",
            wish.said, found.meta.uid
        ));
    }
    Ok(())
}

/// Steps for every directory that is not there: the ones on the way as plain ones of root, the last as it is wished.
fn make_dirs(
    wish: &Wish,
    make: &Make,
    at: &HostPath,
    parent: &Resolved,
    who: &Who,
    facts: &Facts,
    inside: &mut Inside,
) -> Result<Vec<Planned>, Problem> {
    let said = &wish.said;
    let bad = |error| Problem::setup(format!("{said}: {error}"));
    if parent.meta.kind != Kind::Directory {
        return Err(Problem::setup(format!("{said}: {} is no directory", parent.real.display())));
    }
    let way = links::walk(wish.source.as_str(), &parent.links)
        .ok_or_else(|| Problem::setup(format!("{said}: the links on the way go round in circles")))?;
    let path = HostPath::new(&way.real).map_err(bad)?;
    refuse_source(said, path.as_str(), wish.write)?;
    refuse_special(wish, &path, facts)?;
    if path.below(at).is_none() {
        return Err(Problem::setup(format!(
            "{said}: the facts say that {at} is missing, which is not on the way to {path}"
        ))
        .help("gather the facts again with this profile"));
    }
    let (uid, gid) = owner(make, who, facts)?;
    let mut steps = Vec::new();
    let mut dir = Some(path.clone());
    while let Some(here) = dir.filter(|dir| dir.below(at).is_some()) {
        let step = if here == path {
            Step::MakeHostDir { path: here.clone(), mode: make.mode, uid, gid, keep: make.keep }
        } else {
            Step::MakeHostDir { path: here.clone(), mode: 0o755, uid: 0, gid: 0, keep: make.keep }
        };
        let why = if here == path { said.clone() } else { format!("on the way to {path}") };
        steps.push(Planned { step, why });
        dir = here.parent();
    }
    steps.reverse();
    let access = Access { write: wish.write, exec: wish.exec, dev: false };
    let source = Source { path, id: None, kind: Kind::Directory };
    put(wish, Node::Bind { source, access }, parent, inside)?;
    Ok(steps)
}

fn owner(make: &Make, who: &Who, facts: &Facts) -> Result<(u32, u32), Problem> {
    let (uid, primary) = match &make.owner {
        Some(written) => identity::owner(written, facts)?,
        None => (who.ids.uid, Some(who.ids.gid)),
    };
    let gid = match &make.group {
        Some(written) => identity::group(written, "group", facts)?,
        None => primary.unwrap_or(uid),
    };
    Ok((uid, gid))
}

/// The host's link from /var/run to /run, where there is a run-dir: many a daemon has its socket's path by that name. It
/// gives way to whatever is written.
pub(super) fn old_run(facts: &Facts, inside: &mut Inside) -> Result<(), Problem> {
    let run = Dir::Run.base(facts.system.kind());
    let at = RootPath::fixed(OLD_RUN);
    let taken = inside.entries.keys().any(|other| other.below(&at).is_some());
    let Some(PathFact::Found(found)) = facts.paths.get(&HostPath::fixed(OLD_RUN)) else { return Ok(()) };
    let ([link], false) = (found.links.as_slice(), taken) else { return Ok(()) };
    let (Some(to), true) = (link.to.to_str(), found.real.as_os_str() == run) else { return Ok(()) };
    let node = Node::Link { to: to.into() };
    inside.put(at, Entry::new(node, Origin::Usual, "the old name of /run, by which daemons still call it"))
}

/// A tmpfs at /tmp.
pub(super) fn tmp(size: u64, inside: &mut Inside) -> Result<(), Problem> {
    let access = Access { write: true, exec: false, dev: false };
    let node = Node::Tmpfs { size, mode: 0o1777, uid: 0, gid: 0, access };
    inside.put(RootPath::fixed("/tmp"), Entry::new(node, Origin::Written, "tmp"))
}
