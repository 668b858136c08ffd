//! Watches the directories of files that a jail has by themselves, and has a process of its own put the others there that take
//! their names.
//!
//! Events of one moment are taken together: whoever may write to such a directory wakes us ten times a second at most.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use thinjail_closure::tree::{DirTree, Resolver};
use thinjail_plan::path::HostPath;
use thinjail_plan::plan::Plan;
use thinjail_plan::step::Step;

use super::refresh::Jail;
use super::reload::aside;
use crate::refresh::of_ours;

/// How long events are gathered.
const MOMENT: Duration = Duration::from_millis(100);

/// What the helper ends with when the jail has other files than before.
const CHANGED: i32 = 10;

/// What there is to wait for, and what is being done.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    plan: &'a Plan,
    events: OwnedFd,
    /// By the number that the kernel has for a directory.
    directories: BTreeMap<i32, HostPath>,
    names: BTreeSet<HostPath>,
    /// When the events are looked at.
    due: Option<Instant>,
    helper: Option<(Pid, OwnedFd)>,
    /// Something has happened since it was started.
    again: bool,
    /// A file was written to in its place: the jail has it already.
    written: bool,
    output: Option<OwnedFd>,
}

impl<'a> Watch<'a> {
    /// None where there is nothing to watch.
    pub(super) fn of(plan: &'a Plan, output: Option<OwnedFd>) -> io::Result<Option<Self>> {
        if plan.fresh.is_empty() {
            return Ok(None);
        }
        let names = plan.fresh.iter().flat_map(|fresh| &fresh.names).cloned().collect();
        let events = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let (directories, written, again) = (BTreeMap::new(), false, false);
        let mut watch = Self { plan, events, directories, names, due: None, helper: None, again, written, output };
        watch.add();
        // One may have been replaced between the plan and now.
        if watch.is_behind() {
            watch.due = Some(Instant::now());
            watch.again = true;
        }
        Ok(Some(watch))
    }

    /// Watches every directory that holds one of the names. One that can't be watched is not; `refresh` does it then.
    fn add(&mut self) {
        let mut what = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF;
        if self.plan.reload.on_change {
            what |= WatchFlags::CLOSE_WRITE;
        }
        let directories: BTreeSet<HostPath> = self.names.iter().filter_map(HostPath::parent).collect();
        for directory in directories {
            if let Ok(number) = add_watch(&self.events, directory.as_str(), what | WatchFlags::ONLYDIR) {
                self.directories.insert(number, directory);
            }
        }
    }

    fn is_behind(&self) -> bool {
        let steps = self.plan.inside.iter().map(|planned| &planned.step);
        let mut sources = steps.filter_map(|step| match step {
            Step::Bind { at, source, .. } if self.plan.fresh.iter().any(|fresh| fresh.at == *at) => Some(source),
            _ => None,
        });
        sources.any(|source| {
            let stat = rustix::fs::lstat(source.path.as_str());
            source.id.zip(stat.ok()).is_some_and(|(id, stat)| (stat.st_dev, stat.st_ino) != (id.dev, id.ino))
        })
    }

    /// To wait upon: events, unless some are being gathered, and the end of the helper.
    pub(super) fn fds(&self) -> [Option<&OwnedFd>; 2] {
        [Some(&self.events).filter(|_| self.due.is_none()), self.helper.as_ref().map(|(_, fd)| fd)]
    }

    /// How long until there is something to do even if nothing happens.
    pub(super) fn left(&self) -> Option<Duration> {
        self.due.map(|due| due.saturating_duration_since(Instant::now()))
    }

    /// Something was heard of one of [`Watch::fds`], or the time has come. Whether the program is to reload.
    pub(super) fn go_on(&mut self, [heard, ended]: [bool; 2], jail: &OwnedFd) -> io::Result<bool> {
        let mut reload = false;
        if heard && self.due.is_none() {
            self.due = Some(Instant::now() + MOMENT);
        }
        if ended && let Some((pid, _)) = self.helper.take() {
            let status = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED)?.and_then(|status| status.exit_status());
            if status == Some(CHANGED) {
                reload = true;
                self.follow();
            }
        }
        if self.due.is_some_and(|due| due <= Instant::now()) {
            self.due = None;
            self.again |= self.drain();
            reload |= std::mem::take(&mut self.written);
        }
        if self.again && self.helper.is_none() {
            self.again = false;
            self.add();
            self.helper = Some(help(self.plan, jail, self.output.as_ref())?);
        }
        Ok(reload && self.plan.reload.on_change)
    }

    /// Takes the events; whether one of them is about a file of ours.
    fn drain(&mut self) -> bool {
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.events, &mut space);
        let mut ours = false;
        // What more there is comes with the next look.
        for _ in 0..1024 {
            let Ok(event) = reader.next() else { break };
            let flags = event.events();
            if flags.intersects(ReadFlags::QUEUE_OVERFLOW | ReadFlags::MOVE_SELF | ReadFlags::DELETE_SELF) {
                ours = true;
                continue;
            }
            let name = event.file_name().and_then(|name| name.to_str().ok());
            let path = self.directories.get(&event.wd()).zip(name).and_then(|(dir, name)| dir.join(name).ok());
            if path.is_some_and(|path| self.names.contains(&path)) {
                ours = true;
                self.written |= flags.contains(ReadFlags::CLOSE_WRITE);
            }
        }
        ours
    }

    /// A link may lead elsewhere from now on.
    fn follow(&mut self) {
        let Ok(tree) = DirTree::host() else { return };
        let mut resolver = Resolver::new(&tree, 0);
        for fresh in &self.plan.fresh {
            let Ok(found) = resolver.resolve(fresh.asked.as_ref()) else { continue };
            let ways = found.links.iter().map(|link| &link.at).chain([&found.real]);
            self.names.extend(ways.filter_map(|path| HostPath::from_path(path).ok()));
        }
        self.add();
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        // The jail is gone, and what it was to have.
        if let Some((pid, fd)) = self.helper.take() {
            let _ = pidfd_send_signal(&fd, Signal::KILL);
            let _ = super::supervisor::reap(pid);
        }
    }
}

/// Does it in a process of its own.
fn help(plan: &Plan, jail: &OwnedFd, output: Option<&OwnedFd>) -> io::Result<(Pid, OwnedFd)> {
    let supervisor = rustix::process::getpid().as_raw_nonzero().get();
    aside(output, || {
        let say = |what: &str| {
            let _ = io::stderr().write_all(format!("thinjail: {}: {what}\n", plan.name).as_bytes());
        };
        match of_ours(plan, supervisor, &Jail::Lent(jail.as_fd())) {
            Ok(done) => {
                done.kept.iter().for_each(|why| say(why));
                if done.swapped.is_empty() { 0 } else { CHANGED }
            }
            Err(error) => {
                say(&error.on_one_line());
                1
            }
        }
    })
}
