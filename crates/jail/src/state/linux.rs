//! Linux: where state is, what a process is, and who takes things back.

use std::io;

use rustix::net::SocketAddrUnix;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::journal::line::Process;
use crate::os::linux::Host;
use crate::run::RunError;

/// Where the journals are.
pub(crate) const PATH: &str = "/run/thinjail";

/// Where syslogd listens; syslog(3).
pub(crate) const SYSLOG: &str = "/dev/log";

/// A socket without a path; unix(7).
pub(crate) fn abstract_address(name: &[u8]) -> Option<SocketAddrUnix> {
    SocketAddrUnix::new_abstract_name(name).ok()
}

/// Whether somebody takes back what a jail has left whose supervisor was killed.
pub(crate) const GUARDED: bool = false;

/// Whether `run` makes no second jail of a name beside the first. On Linux a name is nothing that the kernel knows.
pub(crate) const ONE_OF_A_NAME: bool = false;

/// What takes back the steps of a jail of this name.
#[allow(clippy::unnecessary_wraps, reason = "elsewhere a name has to be found a place")]
pub(crate) fn host(_name: &str) -> Result<Host, RunError> {
    Ok(Host)
}

/// When a process was started, in clock ticks since the system was; proc_pid_stat(5). Zero where /proc does not tell.
pub(crate) fn started(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second word is the program's name in parentheses, with whatever it has in it.
    let words = stat.rsplit_once(')').map_or("", |(_, words)| words);
    // Of a zombie nothing is left but a number for its parent.
    if words.trim_start().starts_with('Z') {
        return 0;
    }
    words.split_whitespace().nth(19).and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Sends a signal to this very process, and to no other that has come to have its pid. False if it has ended.
pub(crate) fn signal(process: Process, signal: i32) -> io::Result<bool> {
    let (Some(pid), Some(signal)) = (Pid::from_raw(process.pid), Signal::from_named_raw(signal)) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let held = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(false),
        held => held?,
    };
    // The descriptor first, then the question: the answer is about the process that the descriptor holds.
    if started(process.pid) != process.start {
        return Ok(false);
    }
    match pidfd_send_signal(held, signal) {
        Err(rustix::io::Errno::SRCH) => Ok(false),
        sent => Ok(sent.map(|()| true)?),
    }
}
