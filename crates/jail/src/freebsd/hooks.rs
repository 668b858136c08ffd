//! jail(8)'s exec.* hooks: commands of the administrator, by sh(1), at their places in its order.

use std::ffi::CString;
use std::io;
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::{WaitOptions, waitpid};
use thinjail_plan::path::HostPath;
use thinjail_sys::freebsd::exec::{StringList, execve};
use thinjail_sys::freebsd::jail::{Jid, jail_attach};
use thinjail_sys::freebsd::process::{self, Side, fork};
use thinjail_sys::freebsd::signal;

use crate::run::RunError;

/// Those that come between the jail and the program, which waits for them.
pub(super) const BEFORE: [&str; 2] = ["exec.created", "exec.start"];

/// Name and command.
pub(super) type Hook = (String, String);

/// The hooks of a jail.
#[derive(Debug)]
pub(super) struct Hooks<'p> {
    /// In the order of the plan.
    all: &'p [Hook],
    name: &'p str,
    root: HostPath,
}

/// A hook that did not do what it was to do.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("it ended with {0}")]
    Status(ExitStatus),
    #[error("it ended with status {0}")]
    Inside(i32),
}

impl<'p> Hooks<'p> {
    /// Of the jail of that name.
    pub(super) fn new(all: &'p [Hook], name: &'p str, root: HostPath) -> Self {
        Self { all, name, root }
    }

    /// The jail's root on the host.
    pub(super) fn root(&self) -> &HostPath {
        &self.root
    }

    /// Whether one of these is there.
    pub(super) fn any(&self, which: &[&str]) -> bool {
        self.all.iter().any(|(name, _)| which.contains(&name.as_str()))
    }

    /// Runs those of this name. On the host they know the jail by JID, JNAME and JPATH; `exec.start` and `exec.stop` run inside,
    /// as root.
    pub(super) fn run(&self, which: &str, jid: Option<Jid>) -> Result<(), RunError> {
        for (_, command) in self.all.iter().filter(|(name, _)| name == which) {
            let done = match (which, jid) {
                ("exec.start" | "exec.stop", Some(jid)) => inside(command, jid),
                _ => self.on_host(command, jid),
            };
            done.map_err(|cause| RunError::setup(format!("run the hook {which} = {command:?}"), cause))?;
        }
        Ok(())
    }

    fn on_host(&self, command: &str, jid: Option<Jid>) -> io::Result<()> {
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(command).stdin(Stdio::null());
        shell.env("JNAME", self.name).env("JPATH", self.root.as_str());
        match jid {
            Some(Jid(jid)) => shell.env("JID", jid.to_string()),
            None => shell.env_remove("JID"),
        };
        let status = shell.status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(Failed::Status(status))) }
    }
}

/// By the jail's own sh(1), which has to be among its `programs`.
fn inside(command: &str, jid: Jid) -> io::Result<()> {
    let text = |text: &str| CString::new(text).map_err(io::Error::from);
    let argv = StringList::new(vec![c"sh".to_owned(), c"-c".to_owned(), text(command)?]);
    let env = StringList::new(vec![c"PATH=/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin".to_owned()]);
    match fork()? {
        Side::Parent(pid) => loop {
            match waitpid(Some(pid), WaitOptions::empty()) {
                Ok(Some((_, status))) => {
                    return match status.exit_status() {
                        Some(0) => Ok(()),
                        other => Err(io::Error::other(Failed::Inside(other.unwrap_or(-1)))),
                    };
                }
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        },
        Side::Child => {
            let ready =
                process::close_all_but(&[]).and_then(|()| signal::all_default()).and_then(|()| jail_attach(jid));
            if ready.is_ok() {
                let _ = execve(c"/bin/sh", &argv, &env);
            }
            process::exit(127)
        }
    }
}
