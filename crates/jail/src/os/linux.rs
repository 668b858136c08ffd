//! The host's steps on Linux: directories and groups with limits, and nothing else. All mounts are in the jail's own namespace.

use rustix::fs::ResolveFlags;
use thinjail_plan::step::Step;

pub(crate) use super::host_dir::HostDir;
use super::host_dir::{self, Wanted};
use super::{End, Os, StepError, cgroup, host_file};
use crate::journal::Entry;
use crate::journal::undo::Undo;

/// Never through a symbolic link, nor through one of /proc's.
pub(crate) const NO_LINKS: ResolveFlags = ResolveFlags::NO_SYMLINKS.union(ResolveFlags::NO_MAGICLINKS);

/// The host itself.
pub(crate) struct Host;

/// What a step asks for.
fn wanted(step: &Step) -> Option<Wanted<'_>> {
    match step {
        Step::MakeHostDir { path, mode, uid, gid, keep } => {
            Some(Wanted { path, mode: *mode, uid: *uid, gid: *gid, keep: *keep })
        }
        _ => None,
    }
}

impl Os for Host {
    type Done = HostDir;

    fn foresee(&self, step: &Step) -> Option<Undo> {
        match cgroup::Wanted::of(step) {
            Some(group) => group.undo(),
            None => wanted(step).map(|wanted| wanted.undo(None)),
        }
    }

    fn apply(&mut self, step: &Step) -> Result<(HostDir, Option<Undo>), StepError> {
        if let Some(group) = cgroup::Wanted::of(step) {
            return cgroup::make(group);
        }
        host_dir::make(wanted(step).ok_or(StepError::NotHere { system: "Linux" })?)
    }

    fn undo(&mut self, entry: &Entry, end: End, _force: bool) -> Result<(), StepError> {
        match &entry.undo {
            Undo::RemoveDir { path, mode, uid, gid, keep, id } => {
                let wanted = Wanted { path, mode: *mode, uid: *uid, gid: *gid, keep: *keep };
                host_dir::remove(wanted, *id, entry, end)
            }
            Undo::RemoveCgroup { path } => cgroup::remove(path),
            Undo::RemoveFile { path, id } => host_file::remove(path, *id, entry),
            Undo::RemoveSocket { path, id } => host_file::remove_socket(path, *id, entry),
            Undo::Unmount { .. } | Undo::RemoveJail { .. } | Undo::RemoveLimits { .. } | Undo::ClearRuleset { .. } => {
                Err(StepError::NotHere { system: "Linux" })
            }
        }
    }
}
