//! The init system's own commands.

use std::process::{Command, Stdio};

use thinjail_plan::init::{Command as Line, line};

use crate::report::Failure;

/// The init system's programs are where root's are, whatever the caller's path is.
fn prepared(command: &Line) -> Option<Command> {
    let (program, arguments) = command.split_first()?;
    let mut prepared = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    prepared.args(arguments).env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"));
    // The links in /etc/rc?.d are those of a package's script of the same name, and stay as they are.
    prepared.env("SYSTEMCTL_SKIP_SYSV", "1").stdin(Stdio::null());
    Some(prepared)
}

/// A question to the init system. One that can't be asked is answered no.
pub(crate) fn succeeds(command: &Line) -> bool {
    let asked = prepared(command).map(|mut command| command.stdout(Stdio::null()).stderr(Stdio::null()).status());
    asked.is_some_and(|asked| asked.is_ok_and(|status| status.success()))
}

pub(crate) fn run(command: &Line) -> Result<(), Failure> {
    let failed = |cause: String| Failure::new(format!("run `{}`", line(command))).cause(cause);
    let Some(mut prepared) = prepared(command) else { return Ok(()) };
    match prepared.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(status.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// What it prints; nothing where it can't be asked.
pub(crate) fn said(command: &Line) -> String {
    let asked = prepared(command).map(|mut command| command.stderr(Stdio::null()).output());
    asked.and_then(Result::ok).map(|done| String::from_utf8_lossy(&done.stdout).into_owned()).unwrap_or_default()
}
