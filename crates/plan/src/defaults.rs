//! What holds where a profile says nothing, and where each system keeps its things.

use std::time::Duration;

use crate::facts::SystemKind;

/// Bytes of a /tmp, where `tmp = true`.
pub(crate) const TMP_SIZE: u64 = 64 << 20;
/// Bytes of /dev/shm; docker(1) gives the same.
pub(crate) const SHM_SIZE: u64 = 64 << 20;
/// Bytes of the directory in memory that takes the daemon's own pidfile.
pub(crate) const PIDFILE_DIR_SIZE: u64 = 1 << 20;
/// Bytes of the jail's root, beside the files that we put there.
pub(crate) const ROOT_SIZE: u64 = 4 << 20;
/// Seconds until SIGKILL; jail(8)'s `stop.timeout`.
pub(crate) const STOP_SECONDS: u64 = 10;
/// How long a daemon may take to be ready; systemd gives the same.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(90);
/// Where a daemon says that it is ready, inside. Nothing of the host is mounted in the root itself.
pub(crate) const NOTIFY_SOCKET: &str = "/.notify";
/// Bytes of a log, after which a new one begins.
pub(crate) const LOG_SIZE: u64 = 16 << 20;
/// How long until a daemon that has ended is started again for the first time.
pub(crate) const RESTART_DELAY: Duration = Duration::from_millis(200);
/// The longest wait.
pub(crate) const RESTART_DELAY_MAX: Duration = Duration::from_secs(60);
/// How often within [`RESTART_INTERVAL`]; the waits between them are nearly three minutes then.
pub(crate) const RESTART_LIMIT: u32 = 10;
/// What is longer ago counts no more.
pub(crate) const RESTART_INTERVAL: Duration = Duration::from_secs(600);
/// umask(2).
pub(crate) const UMASK: u32 = 0o022;
/// What a devfs(5) of FreeBSD shows: fewer than devfs.rules(5) gives to jails, which have terminals, crypto and zfs.
pub(crate) const DEVFS_SHOWN: [&str; 9] =
    ["null", "zero", "random", "urandom", "fd", "fd/*", "stdin", "stdout", "stderr"];
/// The socket of syslogd(8) on FreeBSD.
pub(crate) const HOST_LOG: &str = "/var/run/log";
/// The devices that every program may expect.
pub(crate) const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// The links beside them.
pub(crate) const DEVICE_LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// The old name of Linux's /run, by which many daemons still call what is in it; file-hierarchy(7).
pub(crate) const OLD_RUN: &str = "/var/run";

/// `PATH` inside: what login(1) gives on each system, the administrator's directories among it.
pub(crate) fn search_path(kind: SystemKind) -> &'static str {
    match kind {
        SystemKind::Linux => "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        SystemKind::FreeBsd => "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin",
    }
}

/// A directory that a daemon owns, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dir {
    Run,
    State,
    Log,
    Cache,
}

impl Dir {
    pub(crate) const ALL: [Self; 4] = [Self::Run, Self::State, Self::Log, Self::Cache];

    /// The key that asks for it.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Run => "run-dir",
            Self::State => "state-dir",
            Self::Log => "log-dir",
            Self::Cache => "cache-dir",
        }
    }

    /// Where it goes; file-hierarchy(7), hier(7).
    pub(crate) fn base(self, kind: SystemKind) -> &'static str {
        match (self, kind) {
            (Self::Run, SystemKind::Linux) => "/run",
            (Self::Run, SystemKind::FreeBsd) => "/var/run",
            (Self::State, SystemKind::Linux) => "/var/lib",
            (Self::State, SystemKind::FreeBsd) => "/var/db",
            (Self::Log, _) => "/var/log",
            (Self::Cache, _) => "/var/cache",
        }
    }

    /// Others look for sockets and pids in a run-dir; the rest holds data.
    pub(crate) fn mode(self) -> u32 {
        match self {
            Self::Run => 0o755,
            Self::State | Self::Log | Self::Cache => 0o750,
        }
    }

    /// Whether it stays after a stop.
    pub(crate) fn keep(self) -> bool {
        self != Self::Run
    }
}
