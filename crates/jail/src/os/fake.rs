//! A little world in memory, with mounts and jails as FreeBSD has them, that fails, is busy or loses its power where it is told
//! to. It outlives its supervisors: a second one finds what the first has left.

#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use thinjail_plan::path::{HostPath, RootPath};
use thinjail_plan::step::{Confine, Step};

use super::{End, Os, StepError};
use crate::journal::Entry;
use crate::journal::Paper;
use crate::journal::undo::{Undo, may_be_ours};
use crate::look::{Identity, Moment};

/// A directory or file of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    ino: u64,
    owner: (u32, u32),
    mode: u32,
}

/// A mount, and what was put into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    at: String,
    fsid: i32,
    inside: BTreeSet<String>,
}

/// What can be compared before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct World {
    nodes: BTreeMap<String, Node>,
    mounts: Vec<Mount>,
    jails: BTreeMap<String, i32>,
    /// Groups, files, rules: what is there or not.
    things: BTreeSet<String>,
}

impl World {
    /// With that one directory as another world has it.
    pub(crate) fn with(mut self, other: &Self, path: &str) -> Self {
        self.nodes.extend(other.nodes.get(path).map(|node| (path.to_owned(), node.clone())));
        self
    }

    /// What is here and was not.
    pub(crate) fn difference(&self, before: &Self) -> Vec<String> {
        let nodes = self.nodes.keys().filter(|path| !before.nodes.contains_key(*path)).cloned();
        let mounts = self.mounts.iter().filter(|mount| !before.mounts.contains(mount)).map(|mount| mount.at.clone());
        let jails = self.jails.keys().filter(|name| !before.jails.contains_key(*name)).cloned();
        let things = self.things.difference(&before.things).cloned();
        nodes.chain(mounts).chain(jails).chain(things).collect()
    }
}

#[derive(Debug, Default)]
struct Machine {
    world: World,
    /// Of each node.
    changed: BTreeMap<u64, Moment>,
    last: u64,
    /// The journal's file; none where there is none.
    paper: Option<Vec<u8>>,
    /// Changes until the power goes; none is for ever.
    power: Option<usize>,
    changes: usize,
    off: bool,
}

impl Machine {
    /// Every change of the world and of the journal, in order, goes through here.
    fn change(&mut self) -> io::Result<()> {
        if self.power.is_some_and(|power| self.changes >= power) {
            self.off = true;
            return Err(io::Error::other("the power is gone"));
        }
        self.changes += 1;
        Ok(())
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn node(&mut self, path: &str, owner: (u32, u32), mode: u32) -> u64 {
        let ino = self.number();
        self.world.nodes.insert(path.into(), Node { ino, owner, mode });
        ino
    }
}

/// The root of the jail on the fake's host.
pub(crate) const ROOT: &str = "/var/run/thinjail/x.root";

/// A machine with a supervisor on it. A copy is another supervisor on the same machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fake {
    machine: Rc<RefCell<Machine>>,
    applied: usize,
    fail_apply: Option<usize>,
    /// What can't be undone, and how often it is only in use.
    stuck: Rc<RefCell<BTreeMap<String, usize>>>,
    forced: Rc<RefCell<Vec<String>>>,
}

/// The file of the journal.
#[derive(Debug)]
pub(crate) struct FakePaper {
    machine: Rc<RefCell<Machine>>,
}

impl FakePaper {
    /// ftruncate(2).
    pub(crate) fn cut(&mut self, length: usize) {
        if let Some(paper) = &mut self.machine.borrow_mut().paper {
            paper.truncate(length);
        }
    }
}

impl Paper for FakePaper {
    fn add(&mut self, line: &[u8]) -> io::Result<()> {
        let mut machine = self.machine.borrow_mut();
        let was_off = machine.off;
        let result = machine.change();
        // The line that is being written when the power goes is cut off.
        let written = if result.is_ok() { line } else { &line[..line.len() / 2] };
        if !was_off {
            machine.paper.get_or_insert_default().extend(written);
        }
        result
    }

    fn replace(&mut self, text: &[u8]) -> io::Result<()> {
        let mut machine = self.machine.borrow_mut();
        machine.change()?;
        machine.paper = Some(text.to_vec());
        Ok(())
    }

    fn burn(self: Box<Self>) -> io::Result<()> {
        let mut machine = self.machine.borrow_mut();
        machine.change()?;
        machine.paper = None;
        Ok(())
    }
}

impl Fake {
    /// With these directories, and the jail's root among them.
    pub(crate) fn new(directories: &[&str]) -> Self {
        let fake = Self::default();
        for directory in directories {
            fake.machine.borrow_mut().node(directory, (0, 0), 0o755);
        }
        fake
    }

    pub(crate) fn world(&self) -> World {
        self.machine.borrow().world.clone()
    }

    /// A journal on this machine's disk.
    pub(crate) fn paper(&self) -> Box<FakePaper> {
        Box::new(FakePaper { machine: Rc::clone(&self.machine) })
    }

    /// What is on the disk.
    pub(crate) fn text(&self) -> Option<Vec<u8>> {
        self.machine.borrow().paper.clone()
    }

    /// The step of this number fails, after it has done half of it.
    pub(crate) fn fail_apply_at(&mut self, step: usize) {
        self.fail_apply = Some(step);
    }

    /// What this one would take back is in use for so many tries.
    pub(crate) fn hold(&mut self, undo: &Undo, tries: usize) {
        self.stuck.borrow_mut().insert(target(undo), tries);
    }

    /// The power goes after so many changes; comes back with none.
    pub(crate) fn power(&self, changes: Option<usize>) {
        let mut machine = self.machine.borrow_mut();
        (machine.power, machine.changes, machine.off) = (changes, 0, false);
    }

    /// How many changes there were since the power was set.
    pub(crate) fn changes(&self) -> usize {
        self.machine.borrow().changes
    }

    /// What was taken back by force.
    pub(crate) fn forced(&self) -> Vec<String> {
        self.forced.borrow().clone()
    }

    /// Whether anything is mounted there or below.
    pub(crate) fn has_mounts_below(&self, path: &str) -> bool {
        self.machine.borrow().world.mounts.iter().any(|mount| mount.at.starts_with(path))
    }

    /// Somebody else mounts something.
    pub(crate) fn mount_stray(&self, at: &str) {
        let mut machine = self.machine.borrow_mut();
        let fsid = machine.number() as i32;
        machine.world.mounts.push(Mount { at: at.into(), fsid, inside: BTreeSet::new() });
    }

    /// Somebody else removes a directory and makes another of its name.
    pub(crate) fn replace(&self, path: &str) {
        let mut machine = self.machine.borrow_mut();
        let node = machine.world.nodes.get(path).cloned().unwrap();
        let ino = machine.node(path, node.owner, node.mode);
        machine.changed.insert(ino, Moment::now());
    }

    fn failing(&mut self) -> bool {
        let number = self.applied;
        self.applied += 1;
        self.fail_apply == Some(number)
    }

    fn mount(&mut self, at: &RootPath) -> io::Result<Option<Undo>> {
        let failing = self.failing();
        let at = place(at);
        let mut machine = self.machine.borrow_mut();
        let there = machine.world.nodes.contains_key(at.as_str()) || machine.world.mounts.iter().any(|m| m.at == ROOT);
        // MNT_NOCOVER.
        let covers = machine.world.mounts.iter().any(|mount| mount.at == at.as_str());
        if !there || covers || failing {
            return Err(io::ErrorKind::NotFound.into());
        }
        machine.change()?;
        let fsid = machine.number() as i32;
        machine.world.mounts.push(Mount { at: at.as_str().into(), fsid, inside: BTreeSet::new() });
        Ok(Some(Undo::Unmount { at, fsid: Some([fsid, 7]) }))
    }

    fn put(&mut self, at: &RootPath) -> io::Result<Option<Undo>> {
        let failing = self.failing();
        let mut machine = self.machine.borrow_mut();
        machine.change()?;
        let mut mounts = machine.world.mounts.iter_mut();
        let mount = mounts.find(|mount| mount.at == ROOT && !failing).ok_or(io::ErrorKind::NotFound)?;
        mount.inside.insert(at.as_str().into());
        Ok(None)
    }

    fn make_dir(&mut self, step: &Step) -> io::Result<Option<Undo>> {
        let failing = self.failing();
        let Step::MakeHostDir { path, mode, uid, gid, keep } = step else { unreachable!() };
        let mut machine = self.machine.borrow_mut();
        if path.parent().is_some_and(|parent| !machine.world.nodes.contains_key(parent.as_str())) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if machine.world.nodes.contains_key(path.as_str()) {
            return if failing { Err(io::ErrorKind::Other.into()) } else { Ok(None) };
        }
        machine.change()?;
        let ino = machine.node(path.as_str(), (0, 0), 0o700);
        machine.changed.insert(ino, Moment::now());
        if failing {
            return Err(io::ErrorKind::StorageFull.into());
        }
        machine.change()?;
        machine.world.nodes.insert(path.as_str().into(), Node { ino, owner: (*uid, *gid), mode: *mode });
        let id = Some(Identity { dev: 1, ino, mount: None });
        Ok(Some(Undo::RemoveDir { path: path.clone(), mode: *mode, uid: *uid, gid: *gid, keep: *keep, id }))
    }

    fn confine(&mut self, params: &[(String, String)]) -> io::Result<Option<Undo>> {
        let failing = self.failing();
        let name = name(params);
        let mut machine = self.machine.borrow_mut();
        if failing || machine.world.jails.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        machine.change()?;
        let jid = machine.number() as i32;
        machine.world.jails.insert(name.clone(), jid);
        Ok(Some(Undo::RemoveJail { name, jid: Some(jid) }))
    }

    /// What an engine makes besides the steps of a plan.
    pub(crate) fn make(&self, undo: &Undo) -> io::Result<()> {
        let mut machine = self.machine.borrow_mut();
        if machine.world.things.contains(&target(undo)) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        machine.change()?;
        machine.world.things.insert(target(undo));
        Ok(())
    }

    fn remove(&mut self, entry: &Entry, end: End, force: bool) -> io::Result<()> {
        let mut machine = self.machine.borrow_mut();
        match &entry.undo {
            Undo::RemoveDir { path, id, keep, mode, uid, gid } => {
                let path = path.as_str();
                let Some(node) = machine.world.nodes.get(path).cloned() else { return Ok(()) };
                let as_made = [((0, 0), 0o700), ((*uid, *gid), *mode)].contains(&(node.owner, node.mode));
                let changed = machine.changed.get(&node.ino).copied().unwrap_or(Moment(0, 0));
                let mounted = machine.world.mounts.iter().any(|mount| mount.at == path);
                let below = format!("{path}/");
                let full = mounted || machine.world.nodes.keys().any(|other| other.starts_with(&below));
                let ours = match id {
                    Some(id) => id.ino == node.ino,
                    None => as_made && may_be_ours(entry.time, changed) && !full,
                };
                if !ours || (*keep && end == End::Stopped) {
                    return Ok(());
                }
                if full {
                    return Err(io::ErrorKind::DirectoryNotEmpty.into());
                }
                machine.change()?;
                machine.world.nodes.remove(path);
            }
            Undo::Unmount { at, fsid } => {
                let number = fsid.map(|[number, _]| number);
                let same = |mount: &Mount| Some(mount.fsid) == number && mount.at == at.as_str();
                let Some(found) = machine.world.mounts.iter().rposition(same) else { return Ok(()) };
                let at = machine.world.mounts[found].at.clone();
                if machine.world.mounts[found + 1..].iter().any(|mount| mount.at.starts_with(&at)) {
                    return Err(io::ErrorKind::ResourceBusy.into());
                }
                // MNT_FORCE.
                if !machine.world.jails.is_empty() && !force {
                    return Err(io::ErrorKind::ResourceBusy.into());
                }
                machine.change()?;
                machine.world.mounts.remove(found);
            }
            Undo::RemoveJail { name, jid } => {
                let Some(found) = machine.world.jails.get(name).copied() else { return Ok(()) };
                if jid.is_none_or(|jid| jid == found) {
                    machine.change()?;
                    machine.world.jails.remove(name);
                }
            }
            Undo::RemoveCgroup { .. }
            | Undo::RemoveFile { .. }
            | Undo::RemoveSocket { .. }
            | Undo::RemoveLimits { .. }
            | Undo::ClearRuleset { .. } => {
                let target = target(&entry.undo);
                if machine.world.things.contains(&target) {
                    machine.change()?;
                    machine.world.things.remove(&target);
                }
            }
        }
        Ok(())
    }
}

fn name(params: &[(String, String)]) -> String {
    params.iter().find(|(key, _)| key == "name").map(|(_, name)| name.clone()).unwrap()
}

fn place(at: &RootPath) -> HostPath {
    HostPath::new(&format!("{ROOT}{}", at.as_str())).unwrap()
}

/// What it is about.
pub(crate) fn target(undo: &Undo) -> String {
    match undo {
        Undo::RemoveDir { path, .. }
        | Undo::RemoveCgroup { path }
        | Undo::RemoveFile { path, .. }
        | Undo::RemoveSocket { path, .. } => path.to_string(),
        Undo::Unmount { at, .. } => format!("mount {at}"),
        Undo::RemoveJail { name, .. } => format!("jail {name}"),
        Undo::RemoveLimits { jail } => format!("limits {jail}"),
        Undo::ClearRuleset { number, .. } => format!("ruleset {number}"),
    }
}

impl Os for Fake {
    type Done = ();

    fn foresee(&self, step: &Step) -> Option<Undo> {
        match step {
            Step::MakeHostDir { path, mode, uid, gid, keep } => {
                let (path, mode, uid, gid, keep) = (path.clone(), *mode, *uid, *gid, *keep);
                Some(Undo::RemoveDir { path, mode, uid, gid, keep, id: None })
            }
            Step::Tmpfs { at, .. } | Step::Bind { at, .. } | Step::Devices { at, .. } | Step::Proc { at, .. } => {
                Some(Undo::Unmount { at: place(at), fsid: None })
            }
            Step::Confine(Confine::FreeBsd { params, .. }) => Some(Undo::RemoveJail { name: name(params), jid: None }),
            Step::MakeCgroup { parent, name, .. } => Some(Undo::RemoveCgroup { path: parent.join(name).ok()? }),
            Step::Confine(Confine::Linux { .. } | Confine::Landlock) | Step::Allow { .. } | Step::MakeDir { .. } => {
                None
            }
            Step::PutFile { .. } | Step::Socket { .. } | Step::Symlink { .. } | Step::LogSocket { .. } => None,
        }
    }

    fn apply(&mut self, step: &Step) -> Result<((), Option<Undo>), StepError> {
        let undo = match step {
            Step::MakeHostDir { .. } => self.make_dir(step),
            Step::Tmpfs { at, .. } | Step::Bind { at, .. } | Step::Devices { at, .. } | Step::Proc { at, .. } => {
                self.mount(at)
            }
            Step::MakeDir { at, .. }
            | Step::PutFile { at, .. }
            | Step::Symlink { at, .. }
            | Step::Socket { at }
            | Step::LogSocket { at, .. } => self.put(at),
            Step::Confine(Confine::FreeBsd { params, .. }) => self.confine(params),
            Step::MakeCgroup { .. } => {
                let undo = self.foresee(step);
                let failing = self.failing();
                undo.filter(|_| !failing)
                    .ok_or(io::ErrorKind::NotFound.into())
                    .and_then(|undo| self.make(&undo).map(|()| Some(undo)))
            }
            Step::Confine(Confine::Linux { .. } | Confine::Landlock) | Step::Allow { .. } => {
                return Err(StepError::NotHere { system: "the fake" });
            }
        };
        undo.map(|undo| ((), undo)).map_err(|cause| StepError::Step { what: format!("do {step:?}"), cause })
    }

    fn undo(&mut self, entry: &Entry, end: End, force: bool) -> Result<(), StepError> {
        let target = target(&entry.undo);
        let refused = |cause: io::Error| StepError::Step { what: format!("undo {target}"), cause };
        if let Some(tries) = self.stuck.borrow_mut().get_mut(&target).filter(|tries| **tries > 0) {
            *tries -= 1;
            return Err(refused(io::ErrorKind::ResourceBusy.into()));
        }
        if force {
            self.forced.borrow_mut().push(target.clone());
        }
        self.remove(entry, end, force).map_err(refused)
    }

    fn strays(&mut self) -> Result<Vec<Undo>, StepError> {
        let machine = self.machine.borrow();
        let below = machine.world.mounts.iter().rev().filter(|mount| mount.at.starts_with(ROOT));
        Ok(below
            .map(|mount| Undo::Unmount { at: HostPath::new(&mount.at).unwrap(), fsid: Some([mount.fsid, 7]) })
            .collect())
    }

    fn pause(&mut self, _time: Duration) {}
}
