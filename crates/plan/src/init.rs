//! The text by which an init system starts a jail as one of its services, and the commands that put it into use. Pure: what
//! comes out is shown, compared with what is there, and put in place elsewhere.

pub(crate) mod fill;
mod openrc;
pub(crate) mod quote;
mod rc_d;
mod rotate;
mod runit;
mod show;
mod systemd;
mod sysv;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::defaults::{Dir, STOP_SECONDS};
use crate::facts::SystemKind;
use crate::path::HostPath;
use crate::resolve::{quantity, signals};
use crate::spec::Spec;
use quote::prose;
pub use show::line;

/// An init system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// rc.d(8) of FreeBSD.
    #[serde(rename = "rc.d")]
    RcD,
    /// systemd(1).
    Systemd,
    /// openrc-run(8), with its supervise-daemon(8).
    OpenRc,
    /// Scripts in /etc/init.d with a header of the Linux Standard Base.
    SysV,
    /// runsvdir(8).
    Runit,
}

impl Init {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::RcD, Self::Systemd, Self::OpenRc, Self::SysV, Self::Runit];

    /// Of which system it is.
    #[must_use]
    pub fn system(self) -> SystemKind {
        match self {
            Self::RcD => SystemKind::FreeBsd,
            Self::Systemd | Self::OpenRc | Self::SysV | Self::Runit => SystemKind::Linux,
        }
    }

    /// What its services may be called: that of a profile where it can be, and the nearest one elsewhere.
    #[must_use]
    pub fn service_name(self, profile: &str) -> String {
        match self {
            Self::RcD => rc_d::name(profile),
            // An `@` is an instance to systemd too; to the others it is a letter like any other.
            Self::Systemd | Self::OpenRc | Self::SysV | Self::Runit => profile.to_owned(),
        }
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RcD => "rc.d",
            Self::Systemd => "systemd",
            Self::OpenRc => "openrc",
            Self::SysV => "sysv",
            Self::Runit => "runit",
        })
    }
}

/// What the text is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What the init system calls it.
    pub name: String,
    /// The profile.
    pub profile: String,
    /// Where thinjail is.
    pub thinjail: HostPath,
    /// How long the supervisor takes to stop it, at most.
    pub stop: Duration,
    /// Whether the host's network is inside.
    pub network: bool,
    /// The number of the signal that stops it; of the system that the init system is of.
    pub stop_signal: i32,
    /// Whether thinjail stays as its supervisor.
    pub supervised: bool,
    /// Whether the profile itself says when it is started again.
    pub restarts: bool,
    /// Where the host reads its pid.
    pub pidfile: Option<HostPath>,
    /// The directories in which it writes log files.
    pub logs: Vec<HostPath>,
    /// The directory whose services runsvdir(8) runs; of no other's interest.
    pub run_services: HostPath,
}

/// What a supervisor needs beyond the stop timeout: the kill, and taking everything back.
const TEARDOWN: Duration = Duration::from_secs(10);

/// The signal that stops what says nothing else; the same on every system.
const TERM: i32 = 15;

impl Service {
    /// What there is to say of a profile. What can't be understood in it has its default: `check` tells.
    #[must_use]
    pub fn of(name: String, profile: &str, spec: &Spec, thinjail: HostPath, kind: SystemKind) -> Self {
        let stop = spec.stop_timeout.as_deref().and_then(quantity::duration);
        let stop = stop.unwrap_or(Duration::from_secs(STOP_SECONDS));
        let signal = spec.stop_signal.as_deref().and_then(|name| signals::number("stop-signal", name, kind).ok());
        Self {
            name,
            profile: profile.to_owned(),
            thinjail,
            // Nobody of ours takes any longer where nobody of ours is.
            stop: if spec.supervisor == Some(false) { stop } else { stop.saturating_add(TEARDOWN) },
            network: spec.network.as_deref() != Some("none"),
            stop_signal: signal.unwrap_or(TERM),
            supervised: spec.supervisor != Some(false),
            restarts: spec.restart.is_some(),
            pidfile: spec.pidfile.as_deref().and_then(|path| HostPath::new(path).ok()),
            logs: logs(spec, kind),
            run_services: HostPath::new("/etc/service").unwrap_or_else(|_| HostPath::root()),
        }
    }

    /// In whole seconds, no less.
    pub(crate) fn stop_seconds(&self) -> u64 {
        self.stop.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
    }

    fn title(&self) -> String {
        match prose(&self.profile).split_once('@') {
            Some((name, instance)) => format!("{name} ({instance}) in a jail"),
            None => format!("{} in a jail", prose(&self.profile)),
        }
    }

    /// The line that tells where a file comes from, and how it goes.
    fn origin(&self) -> String {
        let usual = Init::ALL.iter().any(|init| init.service_name(&self.profile) == self.name);
        let named = if usual { String::new() } else { format!(" --as {}", prose(&self.name)) };
        format!(
            "# Written by `thinjail enable {profile}{named}`; `thinjail disable {profile}{named}` takes it back.",
            profile = prose(&self.profile)
        )
    }
}

/// What it may write below the directory of log files.
fn logs(spec: &Spec, kind: SystemKind) -> Vec<HostPath> {
    let base = HostPath::new(Dir::Log.base(kind)).ok();
    let own = spec.log_dir.as_deref().and_then(|name| base.as_ref()?.join(name).ok());
    let mounted = spec.mount.iter().filter(|mount| mount.write).map(|mount| &mount.source);
    let written = spec.write.iter().chain(mounted).filter_map(|path| HostPath::new(path).ok());
    let below = written.filter(|path| base.as_ref().is_some_and(|base| path != base && path.below(base).is_some()));
    let mut logs: Vec<HostPath> = own.into_iter().chain(below).collect();
    logs.sort();
    logs.dedup();
    logs
}

/// Something that is put in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Where.
    pub path: HostPath,
    /// What.
    pub content: Content,
}

/// What is put in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// A file of root's.
    File {
        /// Its text.
        text: String,
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link.
    Link {
        /// Where it leads.
        to: String,
    },
}

impl Placed {
    pub(crate) fn file(path: &str, mode: u32, text: String) -> Option<Self> {
        Some(Self { path: HostPath::new(path).ok()?, content: Content::File { text, mode } })
    }

    fn link(path: &str, to: &str) -> Option<Self> {
        Some(Self { path: HostPath::new(path).ok()?, content: Content::Link { to: to.to_owned() } })
    }
}

/// A command of the init system's own: program and arguments.
pub type Command = Vec<String>;

pub(crate) fn command(words: &[&str]) -> Command {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A service of one init system.
///
/// It is enabled in the order of the fields up to `switch`; taking it back begins with `switch` and `disable`, then everything
/// that was placed goes, then `forget` is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Text {
    /// Where others keep a service of that name, which can't be had then.
    pub taken: Vec<HostPath>,
    /// Where packages keep one, over which this one goes as long as it is there.
    pub over: Vec<HostPath>,
    /// What is put in place, in this order, and removed in the opposite one.
    pub placed: Vec<Placed>,
    /// The snippet that has its log files rotated, which is left out where somebody else's does so already.
    pub rotation: Option<Placed>,
    /// Has the init system look at it.
    pub load: Vec<Command>,
    /// Ends well if it starts with the system already, by a service of that name which it goes over.
    pub enabled: Option<Command>,
    /// From now on it starts with the system.
    pub enable: Vec<Command>,
    /// What starts it at once, and with the system.
    pub switch: Option<Placed>,
    /// Ends well if it runs.
    pub runs: Option<Command>,
    /// Starts it now.
    pub start: Option<Command>,
    /// Stops it now.
    pub stop: Option<Command>,
    /// It starts with the system no more.
    pub disable: Vec<Command>,
    /// Done once everything is gone.
    pub forget: Vec<Command>,
    /// What the init system itself makes for it while it runs: files first, then their directories.
    pub run_time: Vec<HostPath>,
}

/// The name that rc.subr(8) makes of one.
pub(crate) fn rc_d_name(name: &str) -> String {
    rc_d::name(name)
}

/// The service, in the words of this init system.
pub fn text(init: Init, service: &Service) -> Text {
    match init {
        Init::RcD => rc_d::text(service),
        Init::Systemd => systemd::text(service),
        Init::OpenRc => openrc::text(service),
        Init::SysV => sysv::text(service),
        Init::Runit => runit::text(service),
    }
}
