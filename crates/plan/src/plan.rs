//! What will be done. Printed twice it is byte-equal; apply chooses which system call does a step, never what comes out.

use core::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::facts::System;
use crate::path::{HostPath, RootPath};
use crate::step::{Planned, Source};

/// Who runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// User.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups, sorted.
    pub groups: Vec<u32>,
}

/// What holds a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// setrlimit(2): each process for itself.
    #[default]
    Process,
    /// A cgroup of version 1: the jail as a whole; cgroups(7).
    CgroupV1,
    /// A cgroup of version 2: the same.
    CgroupV2,
    /// rctl(8): the jail as a whole, where kern.racct.enable is 1.
    Rctl,
}

/// A limit, by rctl(8)'s word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// rctl(8)'s word: `openfiles`.
    pub resource: String,
    /// The value for both the soft and the hard limit, in bytes, seconds or pieces; none is unlimited.
    pub value: Option<u64>,
    /// What holds it.
    #[serde(default)]
    pub by: By,
}

/// How much of the network is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The host's.
    Inherit,
    /// A loopback interface of its own and nothing else.
    None,
}

/// Which system calls are refused beside the default list, and which are given back; seccomp(2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Syscalls {
    /// Given back, by name, sorted; also families of sockets and `set-id`.
    pub allowed: Vec<String>,
    /// Refused as well, by name, sorted.
    pub refused: Vec<String>,
    /// Of processes only the caller itself is given limits, priorities and processors: without a pid namespace every process
    /// of the same user could be named.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_processes: bool,
}

/// What ends at the jail's border though the network is the host's; landlock(7).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landlock {
    /// No abstract socket is reached but those made inside.
    pub own_abstract_sockets: bool,
    /// No process is signalled but those inside.
    pub own_signals: bool,
    /// No process is traced, or looked at in /proc, but those inside; any rule of landlock(7) brings that along.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_processes: bool,
    /// The ports that TCP sockets may be bound to; none is all.
    pub tcp_bind: Option<Vec<u16>>,
    /// The ports that TCP sockets may connect to; none is all.
    pub tcp_connect: Option<Vec<u16>>,
}

/// A file of the host with variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvFile {
    /// Which file.
    pub source: Source,
    /// The variables that are taken of it, sorted.
    pub names: Vec<String>,
}

/// What a socket is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Address {
    /// TCP.
    Tcp {
        /// Address and port.
        address: SocketAddr,
        /// IPv4 as well, by the same socket.
        both: bool,
    },
    /// UDP.
    Udp {
        /// Address and port.
        address: SocketAddr,
        /// IPv4 as well, by the same socket.
        both: bool,
    },
    /// A file of the host's, the jail's user's and group's, with mode 0660.
    Unix {
        /// Where.
        path: HostPath,
    },
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { address, both: true } => write!(f, "tcp port {}", address.port()),
            Self::Udp { address, both: true } => write!(f, "udp port {}", address.port()),
            Self::Tcp { address, .. } => write!(f, "tcp {address}"),
            Self::Udp { address, .. } => write!(f, "udp {address}"),
            Self::Unix { path } => write!(f, "{path}"),
        }
    }
}

/// A socket that is opened on the host before anything is made, and handed on; sd_listen_fds(3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    /// What the program knows it by.
    pub name: String,
    /// What it is bound to.
    pub at: Address,
}

/// What is run once everything is in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// The file that is executed.
    pub program: RootPath,
    /// `argv`, as it is to be.
    pub argv: Vec<String>,
    /// `NAME=value`, sorted by name.
    pub env: Vec<(String, String)>,
    /// Files that hold further ones, which are read at the start and are in no plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_files: Vec<EnvFile>,
    /// Sockets handed on, by the descriptors from 3 on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<Listen>,
    /// Ids.
    pub ids: Ids,
    /// Capabilities kept, as capabilities(7) spells them without `CAP_`, lowercase, sorted. Empty on FreeBSD.
    pub capabilities: Vec<String>,
    /// Linux: what differs from the default list of system calls.
    #[serde(default)]
    pub syscalls: Syscalls,
    /// Linux: what of the host is kept from it beside files.
    #[serde(default)]
    pub landlock: Landlock,
    /// umask(2).
    pub umask: u32,
    /// Working directory.
    pub chdir: RootPath,
    /// Limits of each process, and those of the jail as a whole, which a step of the host's sets.
    pub limits: Vec<Limit>,
    /// Descriptors kept open besides 0, 1 and 2, sorted.
    pub descriptors: Vec<i32>,
    /// Keeps the terminal's session instead of setsid(2).
    pub tty: bool,
    /// Network.
    pub network: Network,
}

/// What is run inside beside the main process, with all else as that has it: the user, the environment, the limits, the rights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The file that is executed.
    pub program: RootPath,
    /// `argv`.
    pub argv: Vec<String>,
}

/// How the program is told that its configuration has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// Run first, in order; if one fails, the program is told nothing.
    pub before: Vec<Command>,
    /// Sent to the main process: its number.
    pub signal: i32,
    /// Run in place of the signal.
    pub command: Option<Command>,
    /// It reloads by itself when one of [`Plan::fresh`] has changed on the host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_change: bool,
}

impl Default for Reload {
    fn default() -> Self {
        Self { before: Vec::new(), signal: SIGHUP, command: None, on_change: false }
    }
}

/// The same number on every system that there is.
const SIGHUP: i32 = 1;

impl Reload {
    /// Whether SIGHUP alone, handed on, does it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// When a jail has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// When the main process has.
    Main,
    /// When all processes have, as jail(8) means it.
    All,
}

/// How it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Sent to the main process in place of SIGTERM when we are told to stop: its number.
    pub signal: i32,
    /// How long until SIGKILL.
    #[serde(with = "seconds")]
    pub timeout: Duration,
    /// What counts as the end.
    pub wait: Wait,
}

/// What counts as a good end of the main process beside status 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Success {
    /// Statuses of exit(3), sorted.
    pub statuses: Vec<i32>,
    /// Numbers of signals, sorted.
    pub signals: Vec<i32>,
}

/// When it is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Never.
    #[default]
    No,
    /// When it has ended with a status other than 0, or by a signal that is none of those that ask a daemon to stop.
    OnFailure,
    /// Whenever nobody has asked it to stop.
    Always,
}

/// How it is started again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// When.
    pub when: When,
    /// How long until the first start again; each that follows within the interval waits twice as long.
    #[serde(with = "seconds")]
    pub delay: Duration,
    /// The longest wait.
    #[serde(with = "seconds")]
    pub delay_max: Duration,
    /// How often within the interval; none is without end.
    pub limit: Option<u32>,
    /// What is longer ago counts no more.
    #[serde(with = "seconds")]
    pub interval: Duration,
}

/// When it is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// As soon as it runs.
    #[default]
    Runs,
    /// When the process that was started has ended well, and has left others that run in the background.
    Forked,
    /// When it says so to the socket there; sd_notify(3).
    Notifies {
        /// Inside.
        socket: RootPath,
    },
    /// When it writes a newline to this descriptor, as s6 has it.
    Writes {
        /// Its number.
        descriptor: i32,
    },
}

/// Where standard output and error go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogTo {
    /// It is not written: the caller's with `run`, a file with `start`.
    #[default]
    Unsaid,
    /// The caller's.
    Inherit,
    /// syslog(3).
    Syslog {
        /// `LOG_DAEMON` and the like, divided by 8.
        facility: u8,
        /// `LOG_INFO` and the like.
        priority: u8,
    },
    /// The end of a file.
    File(HostPath),
}

/// What becomes of standard output and error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// Where they go.
    pub to: LogTo,
    /// Bytes of a file, after which a new one begins and one is kept; none is without end.
    pub size: Option<u64>,
}

/// What a service manager has to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// When it is ready.
    pub ready: Ready,
    /// How long until it is, at most.
    #[serde(with = "seconds")]
    pub start_timeout: Duration,
    /// Where the daemon itself writes its pid, inside: whom that names is the main process once the one that was started has ended.
    pub daemon_pidfile: Option<RootPath>,
    /// What becomes of its output.
    pub log: Log,
    /// How it is started again.
    pub restart: Restart,
}

/// A file of the host that is inside by itself. Another one that takes its name on the host, by rename(2), is put in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fresh {
    /// Where it is inside.
    pub at: RootPath,
    /// The path that it was asked for by.
    pub asked: HostPath,
    /// Every name on the host that leads there: the links on the way, and the file's own.
    pub names: Vec<HostPath>,
}

/// Everything that will be done, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Plan {
    /// The jail's name.
    pub name: String,
    /// For which system.
    pub system: System,
    /// Done on the host before confinement; each has one undo. On FreeBSD the mounts of the jail's root are among them,
    /// since they outlive it; their paths are of the root, not of the host.
    pub host: Vec<Planned>,
    /// Done by the child once confined; vanishes with it. The first step is the confinement itself.
    pub inside: Vec<Planned>,
    /// What is run inside before that, in order; if one fails, nothing is started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before_start: Vec<Command>,
    /// What is run.
    pub exec: Exec,
    /// How it reloads.
    #[serde(default)]
    pub reload: Reload,
    /// How it ends.
    pub stop: Stop,
    /// Which ends are good ones.
    #[serde(default)]
    pub success: Success,
    /// Linux: thinjail becomes the program, under its own pid, and nobody stays to see to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsupervised: bool,
    /// How it is kept running.
    #[serde(default)]
    pub service: Service,
    /// Written by the supervisor with a pid of the host; pidfile(3).
    pub pidfile: Option<HostPath>,
    /// Which files are replaced inside when they are on the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fresh: Vec<Fresh>,
    /// What the reader should know: a default that was taken, a thing left out.
    pub notes: Vec<String>,
}

mod seconds {
    //! A duration as seconds, which is what people write and read.
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(time.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(from)?).map_err(D::Error::custom)
    }
}
