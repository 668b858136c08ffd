//! What is wanted: the words of a profile, or of the command line, and nothing else. A flag and a key are the same word.

pub(crate) mod choices;
mod foreign;
mod keys;
pub mod layers;
pub mod schema;
mod system;
pub mod toml;
pub mod words;

pub use foreign::flag_hint;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything that can be asked for. A key that is not there has its default, which `resolve` fills in and `plan` shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Spec {
    /// Another profile, which this one is laid upon.
    pub r#use: Option<String>,
    /// What is run: the program and its arguments.
    pub command: Words,
    /// The user it runs as, by name or number. Must be written; uid 0 only as `root`.
    pub user: Option<String>,
    /// The primary group; else the user's.
    pub group: Option<String>,
    /// Supplementary groups; else the user's by group(5).
    pub groups: Option<Vec<String>>,
    /// Further users whose names the daemon looks up.
    pub users: Vec<String>,
    /// Further programs it runs; their closures are brought along.
    pub programs: Vec<String>,
    /// The language that runs it, and its directory: `python:/srv/app/venv`, `java`.
    pub runtime: Option<String>,
    /// Capabilities kept, by name, or a preset: `drop-user`.
    pub capabilities: Words,
    /// System calls that are given back of those which every jail refuses.
    pub allow_syscalls: Vec<String>,
    /// System calls that are refused beside them.
    pub deny_syscalls: Vec<String>,
    /// Files and directories of the host, read-only, at the same path inside.
    pub read: Vec<String>,
    /// The same, writable.
    pub write: Vec<String>,
    /// Files that only root reads: a copy of each is inside, which only the user that runs can read.
    pub secrets: Vec<String>,
    /// The odd ones.
    pub mount: Vec<Mount>,
    /// `nginx` is /run/nginx, made with the right owner and removed at the end.
    pub run_dir: Option<String>,
    /// Below /var/lib; stays.
    pub state_dir: Option<String>,
    /// Below /var/log; stays.
    pub log_dir: Option<String>,
    /// Below /var/cache; stays.
    pub cache_dir: Option<String>,
    /// A /tmp of its own, in memory: `true`, or its size.
    pub tmp: Option<TmpSize>,
    /// Devices beside null zero full random urandom; also `shm`, `log`, `tty`.
    pub devices: Vec<String>,
    /// /proc: `pid` (default), `full`, `none`.
    pub proc: Option<String>,
    /// Which of the usual /etc files are inside: hosts resolv.conf services nsswitch.conf localtime passwd group ca. None
    /// is those that the programs ask for.
    pub etc: Option<Vec<String>>,
    /// Environment; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// What becomes of links in `read` that lead out of it: keep, follow.
    pub links: Option<String>,
    /// Files of variables; what is in them shows in no plan.
    pub env_file: Vec<String>,
    /// Sockets that are opened before, and handed on.
    pub listen: Vec<String>,
    /// umask(2), octal.
    pub umask: Option<String>,
    /// Working directory inside.
    pub chdir: Option<String>,
    /// Host name inside; else the host's.
    pub hostname: Option<String>,
    /// `inherit` (default) or `none`.
    pub network: Option<String>,
    /// What makes the jail: `namespaces` (default) or `landlock`.
    pub isolation: Option<String>,
    /// Abstract unix sockets of the host: `none` (default) or `inherit`.
    pub abstract_sockets: Option<String>,
    /// The ports that TCP sockets may be bound to; else all.
    pub tcp_bind: Option<Vec<i32>>,
    /// The ports that TCP sockets may connect to; else all.
    pub tcp_connect: Option<Vec<i32>>,
    /// Written for the host with a host pid; one that the daemon writes at that path stays inside.
    pub pidfile: Option<String>,
    /// rctl(8)'s words.
    pub limits: BTreeMap<String, LimitValue>,
    /// Descriptors handed on besides 0, 1 and 2.
    pub descriptors: Vec<i32>,
    /// Commands that are run inside, in order, before the program starts; each split as a line.
    pub before_start: Vec<String>,
    /// The same before a reload.
    pub before_reload: Vec<String>,
    /// Sent to the main process to reload; HUP.
    pub reload_signal: Option<String>,
    /// Run inside to reload, in place of a signal.
    pub reload_command: Words,
    /// Reloads when a file of the host that is inside by itself has changed.
    pub reload_on_change: Option<bool>,
    /// Keeps the terminal: no setsid(2).
    pub tty: bool,
    /// Sent to stop it; TERM.
    pub stop_signal: Option<String>,
    /// Until SIGKILL, such as `10s`; 10 s as jail(8) has it.
    pub stop_timeout: Option<String>,
    /// `main` (default) or `all`.
    pub wait: Option<String>,
    /// Statuses and signals that are a success beside status 0.
    pub success_exit: Vec<Ending>,
    /// `false`: thinjail becomes the program, for an init that supervises by itself.
    pub supervisor: Option<bool>,
    /// How it says that it is ready: `simple` (default), `forking`, `notify`.
    pub r#type: Option<String>,
    /// How long it may take until it does.
    pub start_timeout: Option<String>,
    /// Where the daemon itself writes its pid, inside; else `pidfile`.
    pub daemon_pidfile: Option<String>,
    /// The descriptor that it writes a newline to when it is ready.
    pub ready_descriptor: Option<i32>,
    /// Where its output goes: `inherit`, `syslog`, or a file.
    pub log: Option<String>,
    /// How large that file becomes.
    pub log_size: Option<String>,
    /// When it is started again: `no` (default), `on-failure`, `always`.
    pub restart: Option<String>,
    /// How long until the first start again; each that follows waits twice as long.
    pub restart_delay: Option<String>,
    /// The longest wait.
    pub restart_delay_max: Option<String>,
    /// How often it is started again within `restart-interval`; 0 is without end.
    pub restart_limit: Option<u32>,
    /// What is longer ago counts no more.
    pub restart_interval: Option<String>,
    /// Overrides on Linux.
    pub linux: Option<Box<Spec>>,
    /// Overrides on FreeBSD.
    pub freebsd: Option<Box<Spec>>,
    /// jail(8) parameters by name; only in `[freebsd]`.
    pub params: BTreeMap<String, String>,
}

/// One string, split on spaces and quotes and never by a shell; or a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Words {
    /// One string.
    Line(String),
    /// A list.
    List(Vec<String>),
}

impl Default for Words {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// `success-exit = [143, "TERM"]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ending {
    /// exit(3) with this status.
    Status(i32),
    /// By the signal of this name.
    Signal(String),
}

/// `tmp = true`, `tmp = "64M"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TmpSize {
    /// With the default size, or none.
    Switch(bool),
    /// With this size.
    Size(String),
}

/// `openfiles = 1024`, `filesize = "512M"`, `"unlimited"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LimitValue {
    /// A number.
    Number(u64),
    /// With a unit.
    Text(String),
}

/// `[[mount]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mount {
    /// On the host.
    pub source: String,
    /// Inside; else the same path.
    pub target: Option<String>,
    /// May be written.
    pub write: bool,
    /// Programs on it may be executed; a read-only one always allows that, a writable one only if written.
    pub exec: bool,
    /// Left out if the source is not there.
    pub optional: bool,
    /// Makes the source directory if it is not there.
    pub create: bool,
    /// Owner of what is made; else the user that runs.
    pub owner: Option<String>,
    /// Group of what is made; else the primary group.
    pub group: Option<String>,
    /// Permission bits of what is made, octal; 0750.
    pub mode: Option<String>,
}
