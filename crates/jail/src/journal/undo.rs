//! How a thing that was done on the host is taken back: plain data, so that any later process can do it.

use serde::{Deserialize, Serialize};
use thinjail_plan::path::HostPath;

use crate::look::{Identity, Moment};

/// One thing to take back. Before it is done what identifies it is not known yet, and is none; a process that finds it so
/// later may touch only what could have been made by this very step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Undo {
    /// A directory: rmdir(2), which takes empty ones only.
    RemoveDir {
        /// Where.
        path: HostPath,
        /// The owner, group and mode that it was given.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
        /// Stays after a stop, and goes only with a start that failed.
        keep: bool,
        /// Which one it is.
        id: Option<Identity>,
    },
    /// A group of processes, whose name no other has: rmdir(2), which takes those only that nobody is in. Linux.
    RemoveCgroup {
        /// Where.
        path: HostPath,
    },
    /// A file of ours: unlink(2).
    RemoveFile {
        /// Where.
        path: HostPath,
        /// Which one it is.
        id: Option<Identity>,
    },
    /// A unix socket of ours, which stays while its jail is made anew: unlink(2).
    RemoveSocket {
        /// Where.
        path: HostPath,
        /// Which one it is.
        id: Option<Identity>,
    },
    /// A mount of the host's: unmount(2) by its number.
    Unmount {
        /// Where.
        at: HostPath,
        /// f_fsid of statfs(2).
        fsid: Option<[i32; 2]>,
    },
    /// A jail of FreeBSD's: jail_remove(2).
    RemoveJail {
        /// Its name.
        name: String,
        /// Its number.
        jid: Option<i32>,
    },
    /// Rules of rctl(8), which outlive their jail: rctl_remove_rule(2).
    RemoveLimits {
        /// The jail that they are about.
        jail: String,
    },
    /// The rules of a devfs ruleset of our own, which is marked as the jail's; devfs(8).
    ClearRuleset {
        /// Its number.
        number: u16,
        /// The jail.
        jail: String,
    },
}

impl Undo {
    /// Whether both are about the same thing, whatever identifies it: what a step turned out to have made is what it was to make.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let blank = |undo: &Self| {
            let mut undo = undo.clone();
            match &mut undo {
                Self::RemoveDir { id, .. } | Self::RemoveFile { id, .. } | Self::RemoveSocket { id, .. } => *id = None,
                Self::Unmount { fsid, .. } => *fsid = None,
                Self::RemoveJail { jid, .. } => *jid = None,
                Self::RemoveCgroup { .. } | Self::RemoveLimits { .. } | Self::ClearRuleset { .. } => {}
            }
            undo
        };
        blank(self) == blank(other)
    }
}

impl std::fmt::Display for Undo {
    /// What it is about: "the mount on /a".
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RemoveDir { path, .. } => write!(f, "the directory {path}"),
            Self::RemoveCgroup { path } => write!(f, "the group {path}"),
            Self::RemoveFile { path, .. } => write!(f, "the file {path}"),
            Self::RemoveSocket { path, .. } => write!(f, "the socket {path}"),
            Self::Unmount { at, .. } => write!(f, "the mount on {at}"),
            Self::RemoveJail { name, .. } => write!(f, "the jail {name}"),
            Self::RemoveLimits { jail } => write!(f, "the limits of the jail {jail}"),
            Self::ClearRuleset { number, .. } => write!(f, "the devfs ruleset {number}"),
        }
    }
}

/// How long after its line in the journal a step is done, at most: seconds.
const DONE_WITHIN: i64 = 2;

/// Whether what was last changed then may be the work of a step whose line was written at `line` and whose process ended
/// before it could say that the step was done. Whoever changed it later, or had it before, keeps it.
pub(crate) fn may_be_ours(line: Moment, changed: Moment) -> bool {
    line <= changed && changed <= line.after_seconds(DONE_WITHIN)
}
