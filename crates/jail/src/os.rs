//! The seam to the host: the steps that are done outside of a jail and have to be undone one day.
//!
//! Two systems implement it for real; a third, for tests, keeps a little world in memory and fails where it is told to.

use std::io;

use thinjail_plan::path::HostPath;
use thinjail_plan::step::Step;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(target_os = "linux")]
pub(crate) mod linux;

/// Does and undoes one step on the host.
pub(crate) trait Os {
    /// What was done, with all that its undo needs.
    type Done;

    /// Does a step.
    fn apply(&mut self, step: &Step) -> Result<Self::Done, StepError>;

    /// Takes it back; `failed` tells whether the jail never ran, so that what was to stay goes as well. Nothing happens
    /// where the object is not the one that [`Os::apply`] made.
    fn undo(&mut self, done: &Self::Done, failed: bool) -> Result<(), StepError>;
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
    /// A verb that is not done on this system's host side.
    #[error("the plan asks for a step on the host that {system} has none of")]
    NotHere {
        /// Which system.
        system: &'static str,
    },
}
