//! The seam to the host: the steps that are done outside of a jail and have to be undone one day.
//!
//! Two systems implement it for real; a third, for tests, keeps a little world in memory and fails where it is told to.

use std::io;
use std::time::Duration;

use thinjail_plan::path::HostPath;
use thinjail_plan::step::Step;

use crate::journal::undo::Undo;
use crate::journal::{Entry, Unwritten};

#[cfg(target_os = "linux")]
pub(crate) mod cgroup;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(target_os = "freebsd")]
pub(crate) mod freebsd;
pub(crate) mod host_dir;
pub(crate) mod host_file;
pub(crate) mod host_rest;
#[cfg(target_os = "linux")]
pub(crate) mod linux;

/// Why a step is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The jail never ran: what was to stay goes as well.
    Failed,
    /// It ran, and is gone.
    Stopped,
}

/// Does and undoes one step on the host.
pub(crate) trait Os {
    /// What later steps need of one that was done: a descriptor. It is let go before anything is undone.
    type Done;

    /// How a step will be taken back, as far as that is known before it is done. None where it goes with another: what is put
    /// into a file system in memory goes with its unmount.
    fn foresee(&self, step: &Step) -> Option<Undo>;

    /// Does a step, and says how it is taken back. None if there is nothing to take back: what was there is not ours.
    fn apply(&mut self, step: &Step) -> Result<(Self::Done, Option<Undo>), StepError>;

    /// Takes it back. Nothing happens where the object is not the one that was made; that is no error, and neither is that it
    /// is gone. A mount without a number is left to [`Os::strays`]. With `force`, the last try, an object that is in use goes if that harms nothing but its users.
    fn undo(&mut self, entry: &Entry, end: End, force: bool) -> Result<(), StepError>;

    /// Every mount on the jail's root and below it ([`Undo::Unmount`] with its number, as [`Os::apply`] tells it), last first,
    /// whether the journal knows it or not.
    fn strays(&mut self) -> Result<Vec<Undo>, StepError> {
        Ok(Vec::new())
    }

    /// Waits a moment for what is in use.
    fn pause(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// A step that could not be done or undone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// A directory of the host.
    #[error("make the directory {path}")]
    MakeHostDir {
        /// Which.
        path: HostPath,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// It is there, and is somebody else's.
    #[error("make the directory {path}: it is there already and belongs to uid {owner}")]
    Taken {
        /// Which.
        path: HostPath,
        /// Whose it is.
        owner: u32,
    },
    /// Removing one.
    #[error("remove the directory {path}")]
    RemoveHostDir {
        /// Which.
        path: HostPath,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Removing a file of ours.
    #[error("remove the file {path}")]
    RemoveHostFile {
        /// Which.
        path: HostPath,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Anything else that is done on the host: "mount tmpfs on /var/run/thinjail/x.root".
    #[error("{what}")]
    #[allow(dead_code, reason = "Linux does nothing else there")]
    Step {
        /// What was tried on which object.
        what: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The journal.
    #[error(transparent)]
    Unwritten(#[from] Unwritten),
    /// A verb that is not done on this system's host side.
    #[error("the plan asks for a step on the host that {system} has none of")]
    NotHere {
        /// Which system.
        system: &'static str,
    },
}

impl StepError {
    /// Whether it is only that something is still in use.
    pub(crate) fn is_busy(&self) -> bool {
        match self {
            Self::RemoveHostDir { cause, .. } | Self::RemoveHostFile { cause, .. } | Self::Step { cause, .. } => {
                cause.kind() == io::ErrorKind::ResourceBusy
            }
            Self::MakeHostDir { .. } | Self::Taken { .. } | Self::Unwritten(_) | Self::NotHere { .. } => false,
        }
    }

    /// With its cause, on one line.
    pub(crate) fn describe(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }
}
