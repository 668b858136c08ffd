//! The inside of the jail while it is being decided: what stands at each place, why, and who wanted it there.
//!
//! Everything is put here first, in any order; [`Inside::finish`](super::ways) then looks at the way to each thing. Steps
//! come out sorted by path, so a parent always comes before what is below it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use thinjail_closure::tree::{Kind, Resolved};

use super::links;
use super::problem::Problem;
use crate::path::{HostPath, RootPath};
use crate::step::{Access, Content, Devfs, ProcView, Source, Step};

/// What stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Dir,
    File { content: Content, mode: u32, uid: u32, gid: u32 },
    Link { to: String },
    Bind { source: Source, access: Access },
    Tmpfs { size: u64, mode: u32, uid: u32, gid: u32, access: Access },
    Devices { nodes: Vec<Source>, links: Vec<(String, String)>, devfs: Option<Devfs> },
    Proc { view: ProcView },
    LogSocket { to: HostPath },
    Socket,
}

/// Who wanted it. What is written wins over what is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The root, /dev, /proc.
    Base,
    /// A key of the profile.
    Written,
    /// A program needs it to start.
    Closure,
    /// A link, or a directory, on the way to another thing.
    Way,
    /// One of the usual files of /etc, which gives way to everything else.
    Usual,
    /// The place for the daemon's own pidfile.
    Pidfile,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) node: Node,
    pub(super) why: String,
    pub(super) origin: Origin,
    /// The path of the host as it was asked for, where that differs from the source's.
    pub(super) asked: Option<HostPath>,
    /// How much of the root a copy takes.
    pub(super) bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Inside {
    pub(super) entries: BTreeMap<RootPath, Entry>,
}

impl Inside {
    /// Puts something at a place, unless what is there already serves as well.
    pub(super) fn put(&mut self, at: RootPath, entry: Entry) -> Result<(), Problem> {
        match self.entries.entry(at) {
            Slot::Vacant(slot) => {
                slot.insert(entry);
                Ok(())
            }
            Slot::Occupied(mut slot) => match meet(slot.get(), &entry) {
                Meeting::First => Ok(()),
                Meeting::Second => {
                    slot.insert(entry);
                    Ok(())
                }
                Meeting::Clash => Err(clash(slot.key(), slot.get(), &entry)),
            },
        }
    }

    /// Brings a path of the host in at its own place: the links on the way to it, and what is at their end.
    pub(super) fn bring(&mut self, asked: &str, found: &Resolved, real: RootPath, entry: Entry) -> Result<(), Problem> {
        self.make_way(asked, found, &entry.why)?;
        self.put(real, entry)
    }

    /// The links on the way to a path, and the directories which those links lead through.
    pub(super) fn make_way(&mut self, asked: &str, found: &Resolved, what: &str) -> Result<(), Problem> {
        for link in &found.links {
            let at = RootPath::from_path(&link.at).map_err(|error| Problem::setup(format!("{what}: {error}")))?;
            let to = link.to.to_str().ok_or_else(|| {
                Problem::setup(format!("{what}: what the link {at} says, {:?}, is not UTF-8", link.to))
            })?;
            self.put(at, Entry::new(Node::Link { to: to.into() }, Origin::Way, format!("link on the way to {asked}")))?;
        }
        // Only a `..` leads through a directory without ending below it.
        let up = |text: &str| text.contains("..");
        let goes_up = up(asked) || found.links.iter().any(|link| link.to.to_str().is_some_and(up));
        let way = goes_up.then(|| links::walk(asked, &found.links)).flatten();
        for dir in way.into_iter().flat_map(|way| way.entered) {
            let at = RootPath::new(&dir).map_err(|error| Problem::setup(format!("{what}: {error}")))?;
            if !self.entries.contains_key(&at) {
                self.put(
                    at,
                    Entry::new(Node::Dir, Origin::Way, format!("a link on the way to {asked} goes through it")),
                )?;
            }
        }
        Ok(())
    }
}

impl Entry {
    pub(super) fn new(node: Node, origin: Origin, why: impl Into<String>) -> Self {
        Self { node, why: why.into(), origin, asked: None, bytes: 0 }
    }

    pub(super) fn asked(mut self, path: &HostPath) -> Self {
        self.asked = Some(path.clone());
        self
    }

    pub(super) fn bytes(mut self, size: u64) -> Self {
        if matches!(self.node, Node::File { .. }) {
            self.bytes = size;
        }
        self
    }
}

enum Meeting {
    First,
    Second,
    Clash,
}

/// Two things that are wanted at one place: which of them is it to be?
fn meet(first: &Entry, second: &Entry) -> Meeting {
    match (&first.node, &second.node) {
        (one, two) if one == two => Meeting::First,
        // The files of a program are wanted to be executed, and whoever wrote more than that gets it.
        (Node::Bind { source: one, access }, Node::Bind { source: two, .. })
            if one == two && access.exec && second.origin == Origin::Closure =>
        {
            Meeting::First
        }
        (Node::File { content: one, .. }, Node::File { content: two, .. }) if one == two => Meeting::First,
        (_, Node::Dir) if first.node.is_dir() => Meeting::First,
        (Node::Dir, _) if second.node.is_dir() => Meeting::Second,
        _ if second.origin == Origin::Usual => Meeting::First,
        _ if first.origin == Origin::Usual => Meeting::Second,
        _ if second.origin == Origin::Pidfile && first.node.is_dir() => Meeting::First,
        _ => Meeting::Clash,
    }
}

fn clash(at: &RootPath, first: &Entry, second: &Entry) -> Problem {
    let problem = Problem::setup(format!("two things are wanted at {at}: {}; and {}", first.why, second.why));
    match (&first.node, &second.node) {
        (Node::Bind { source: one, .. }, Node::Bind { source: two, .. }) if one == two => {
            if first.origin == Origin::Closure || second.origin == Origin::Closure {
                problem.help("what is written to is not executed; if it must be, write a [[mount]] with exec = true")
            } else {
                problem.help("write it once, as read or as write")
            }
        }
        _ => problem.help("give one of them another target"),
    }
}

impl Node {
    /// Whether things can stand below it.
    pub(super) fn is_dir(&self) -> bool {
        match self {
            Self::Dir | Self::Tmpfs { .. } | Self::Devices { .. } | Self::Proc { .. } => true,
            Self::Bind { source, .. } => source.kind == Kind::Directory,
            Self::File { .. } | Self::Link { .. } | Self::LogSocket { .. } | Self::Socket => false,
        }
    }

    /// What of the host is mounted here.
    pub(super) fn source(&self) -> Option<&Source> {
        match self {
            Self::Bind { source, .. } => Some(source),
            _ => None,
        }
    }

    pub(super) fn step(&self, at: RootPath) -> Step {
        match self.clone() {
            Self::Dir => Step::MakeDir { at, mode: 0o755, uid: 0, gid: 0 },
            Self::File { content, mode, uid, gid } => Step::PutFile { at, content, mode, uid, gid },
            Self::Link { to } => Step::Symlink { at, to },
            Self::Bind { source, access } => Step::Bind { source, at, access },
            Self::Tmpfs { size, mode, uid, gid, access } => Step::Tmpfs { at, size, mode, uid, gid, access },
            Self::Devices { nodes, links, devfs } => Step::Devices { at, nodes, links, devfs },
            Self::Proc { view } => Step::Proc { at, view },
            Self::LogSocket { to } => Step::LogSocket { at, to },
            Self::Socket => Step::Socket { at },
        }
    }
}
