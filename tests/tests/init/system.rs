//! The init systems, by the commands that their administrators type.

use std::process::{Command, Output};

use thinjail_tests::jail::{Thinjail, thinjail};
use thinjail_tests::skip::Lack;

/// `thinjail` with these words. In emulation systemd takes its time to load what has changed.
pub(crate) fn tells(words: &[&str]) -> Thinjail {
    thinjail(words).patience(std::time::Duration::from_secs(300))
}

/// An init system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Systemd,
    OpenRc,
    SysV,
    Runit,
}

/// What its command says about a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Runs,
    Stopped,
    Other(String),
}

impl System {
    /// The one that runs here, as the one says who has booted it.
    pub(crate) fn here() -> Result<Self, Lack> {
        match std::env::var("THINJAIL_INIT").unwrap_or_default().as_str() {
            "systemd" => Ok(Self::Systemd),
            "openrc" => Ok(Self::OpenRc),
            "sysv" => Ok(Self::SysV),
            "runit" => Ok(Self::Runit),
            _ => Err(Lack::new("no init system is booted for it: `cargo xtask init test` does so")),
        }
    }

    /// The file that Debian's packages have in the way of a service of this name.
    pub(crate) fn taken(self, profile: &str) -> Option<&'static str> {
        match (self, profile) {
            // Of redis-server an alias, which is a link where the administrator's units are.
            (Self::Systemd, "redis") => Some("/etc/systemd/system/redis.service"),
            (Self::OpenRc | Self::SysV, "nginx") => Some("/etc/init.d/nginx"),
            _ => None,
        }
    }

    fn command(self, action: &str, service: &str) -> Command {
        let (program, words): (&str, &[&str]) = match self {
            Self::Systemd => ("systemctl", &[action, service]),
            Self::OpenRc => ("rc-service", &[service, action]),
            Self::SysV => ("service", &[service, action]),
            Self::Runit => ("sv", &["-w", "30", action, service]),
        };
        let mut command = Command::new(program);
        command.args(words);
        command
    }

    /// The command, whatever comes of it.
    pub(crate) fn tries(self, action: &str, service: &str) -> Output {
        self.command(action, service).output().unwrap()
    }

    /// The command, which works.
    #[track_caller]
    pub(crate) fn does(self, action: &str, service: &str) {
        let done = self.tries(action, service);
        assert!(done.status.success(), "{self:?}: {action} {service}: {done:?}");
    }

    /// What its own command says.
    pub(crate) fn status(self, service: &str) -> Status {
        let (done, running) = match self {
            Self::Systemd => (self.tries("is-active", service), "active\n"),
            Self::Runit => (self.tries("status", service), "run: "),
            Self::OpenRc | Self::SysV => (self.tries("status", service), ""),
        };
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        match (self, done.status.code()) {
            (Self::Runit, Some(0)) if said.starts_with("down: ") => Status::Stopped,
            (Self::Systemd | Self::OpenRc | Self::SysV, Some(3)) => Status::Stopped,
            (_, Some(0)) if said.starts_with(running) => Status::Runs,
            _ => Status::Other(format!("{done:?}")),
        }
    }

    /// What happens at boot to a service that is enabled: the init system starts all of them.
    pub(crate) fn boots(self) {
        let lines: &[&[&str]] = match self {
            // It has what is wanted by the target started, as the boot does. The tests are part of it, and don't wait.
            Self::Systemd => &[&["systemctl", "--no-block", "start", "multi-user.target"]],
            Self::OpenRc => &[&["openrc", "default"]],
            // A runlevel in which it does not run, and one in which it does: init(8) has its rc script start what is new.
            Self::SysV => &[&["telinit", "1"], &["sleep", "3"], &["telinit", "2"]],
            // It looks all the time.
            Self::Runit => &[],
        };
        for line in lines {
            let done = Command::new(line[0]).args(&line[1..]).output().unwrap();
            assert!(done.status.success(), "{done:?}");
        }
    }
}
