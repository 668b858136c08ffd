//! FreeBSD: where state is, what a process is, and who takes things back.

use std::io;

use rustix::net::SocketAddrUnix;
use rustix::process::{Pid, Signal, kill_process};
use thinjail_plan::step::Step;
use thinjail_sys::freebsd::kinfo;

use crate::journal::line::Process;
use crate::os::freebsd::{Host, root_steps};
use crate::run::RunError;

/// Where the journals are.
pub(crate) const PATH: &str = "/var/run/thinjail";

/// Where syslogd listens; syslog(3).
pub(crate) const SYSLOG: &str = "/var/run/log";

/// There are no sockets without a path; unix(4).
pub(crate) fn abstract_address(_name: &[u8]) -> Option<SocketAddrUnix> {
    None
}

/// Whether somebody takes back what a jail has left whose supervisor was killed.
pub(crate) const GUARDED: bool = true;

/// Whether `run` makes no second jail of a name beside the first: jail(2) knows one of a name.
pub(crate) const ONE_OF_A_NAME: bool = true;

/// What takes back the steps of a jail of this name: below its root, which is where thinjail makes one, whatever a journal says.
pub(crate) fn host(name: &str) -> Result<Host, RunError> {
    let failed = |cause: io::Error| RunError::setup(format!("find the root of the jail {name}"), cause);
    // As resolve names it.
    let steps = root_steps(&name.replace('.', "_")).map_err(|error| failed(io::Error::other(error)))?;
    match steps.last() {
        Some(Step::MakeHostDir { path, .. }) => Ok(Host::new(path.clone())),
        _ => Err(failed(io::ErrorKind::NotFound.into())),
    }
}

/// When a process was started, in microseconds. Zero if it has ended.
pub(crate) fn started(pid: i32) -> u64 {
    kinfo::started(pid).unwrap_or(0)
}

/// Sends a signal to this very process, and to no other that has come to have its pid. False if it has ended.
pub(crate) fn signal(process: Process, signal: i32) -> io::Result<bool> {
    let (Some(pid), Some(signal)) = (Pid::from_raw(process.pid), Signal::from_named_raw(signal)) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if started(process.pid) != process.start {
        return Ok(false);
    }
    match kill_process(pid, signal) {
        Err(rustix::io::Errno::SRCH) => Ok(false),
        sent => Ok(sent.map(|()| true)?),
    }
}
