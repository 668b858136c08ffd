//! The journal as text: one line of JSON for each thing that has come to pass. Nothing in it is believed without a look.

use serde::{Deserialize, Serialize};
use thinjail_plan::path::HostPath;

use super::undo::Undo;
use crate::look::Moment;

/// The only version there is. Another one is somebody else's to undo.
pub(crate) const VERSION: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Line {
    /// A supervisor takes over; what it finds undone of an earlier one is its duty.
    Begin(Begin),
    /// A step is about to be done.
    Will {
        /// Its number.
        n: usize,
        /// When.
        time: Moment,
        /// How it will be taken back.
        undo: Undo,
    },
    /// It was done.
    Did {
        /// Its number.
        n: usize,
        /// How it is taken back, now in full.
        undo: Undo,
    },
    /// The program runs.
    Running(Running),
    /// How its supervisor goes on.
    Phase(Phase),
    /// A step was taken back, or there was nothing to take back.
    Undone {
        /// Its number.
        n: usize,
    },
}

/// Who keeps the journal, and of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Begin {
    /// [`VERSION`].
    pub(crate) version: u32,
    /// The jail's name.
    pub(crate) name: String,
    /// Which verb it was.
    pub(crate) verb: Verb,
    /// The supervisor.
    pub(crate) supervisor: Process,
    /// What runs inside.
    pub(crate) program: String,
    /// As whom.
    pub(crate) uid: u32,
    /// How long a stop may take, in milliseconds.
    pub(crate) stop_timeout: u64,
    /// Where the pid of the main process is on the host, too.
    pub(crate) pidfile: Option<HostPath>,
    /// The file of what it says, or `syslog`; none where that is the caller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<String>,
}

/// Which verb made the jail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verb {
    /// In the foreground.
    Run,
    /// In the background.
    Start,
}

/// A process of the host: a pid alone may be another's by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Process {
    /// Its pid.
    pub(crate) pid: i32,
    /// When it was started, in the system's own measure.
    pub(crate) start: u64,
}

/// How a supervisor goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Phase {
    /// A word of `status`.
    pub(crate) stage: String,
    /// What the daemon says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<String>,
    /// How often it was started again.
    pub(crate) restarts: u64,
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Running {
    /// The main process.
    pub(crate) main: Process,
    /// FreeBSD's number of the jail.
    pub(crate) jid: Option<i32>,
    /// Since when.
    pub(crate) since: Moment,
}
