//! A small process that waits for the supervisor to be killed, and then takes everything down in its place.

use std::fs::File;
use std::io;

use rustix::process::{Pid, Signal, WaitOptions, getpid, getppid, kill_process, setsid, waitpid};
use thinjail_sys::freebsd::kqueue::{Event, Queue};
use thinjail_sys::freebsd::process::{self, Side, fork};
use thinjail_sys::freebsd::signal::{self, SignalSet};

use super::supervisor;
use crate::journal::Journal;
use crate::os::End;
use crate::os::freebsd::Host;
use crate::pidfile::Pidfile;
use crate::run::RunError;
use crate::teardown::teardown;

/// From the supervisor's side.
#[derive(Debug)]
pub(super) struct Guardian {
    pid: Pid,
}

/// What is sent to all that has our name must not end both of us: the supervisor is the one to be told.
const IGNORED: [i32; 7] = [1, 2, 3, 13, 15, 30, 31];

impl Guardian {
    /// Starts it, with what it needs to take everything back; the pidfile comes back to the supervisor, and stays locked
    /// while either of them lives.
    pub(super) fn start(
        os: &mut Host,
        journal: &mut Journal,
        pidfile: Option<Pidfile>,
        descriptors: &[i32],
        name: &str,
    ) -> Result<(Self, Option<Pidfile>), RunError> {
        let supervisor = getpid();
        match fork().map_err(|cause| RunError::setup("start a guardian for the jail".into(), cause))? {
            Side::Parent(pid) => Ok((Self { pid }, pidfile)),
            Side::Child => {
                let done = watch(supervisor, descriptors, name);
                if done.is_ok() {
                    clean(os, journal, pidfile, name);
                }
                process::exit(i32::from(done.is_err()))
            }
        }
    }

    /// Its pid.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// It is not needed any more: the supervisor has taken everything down itself. One that was killed was reaped with the others, and
    /// its pid may be somebody else's by now.
    pub(super) fn end(self) {
        if let Ok(None) = waitpid(Some(self.pid), WaitOptions::NOHANG) {
            let _ = kill_process(self.pid, Signal::KILL);
            let _ = waitpid(Some(self.pid), WaitOptions::empty());
        }
    }
}

/// Waits for the end of the supervisor.
fn watch(supervisor: Pid, descriptors: &[i32], name: &str) -> io::Result<()> {
    process::setproctitle(&format!("thinjail: guardian of {name}"));
    // Not in the terminal's session, nor with a pipe open that somebody waits for.
    setsid()?;
    signal::all_default()?;
    signal::ignore(&IGNORED);
    signal::set_mask(&SignalSet::empty())?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    for descriptor in descriptors {
        process::close(*descriptor);
    }
    let queue = Queue::new()?;
    match queue.watch_exit(supervisor) {
        // It has ended already.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => return Ok(()),
        other => other?,
    }
    // Between fork(2) and now it may have ended, and another process may have its pid.
    while getppid() == Some(supervisor) {
        if queue.wait(None)? == Some(Event::Exit(supervisor.as_raw_nonzero().get())) {
            break;
        }
    }
    Ok(())
}

/// What the supervisor would have done. Nobody reads what could not be: it stays in the journal.
fn clean(os: &mut Host, journal: &mut Journal, pidfile: Option<Pidfile>, name: &str) {
    process::setproctitle(&format!("thinjail: guardian of {name}, cleaning up"));
    os.let_go();
    supervisor::remove(name, os.root());
    if let Some(pidfile) = pidfile {
        let _ = pidfile.remove();
    }
    journal.keep_sockets(false);
    teardown(os, journal, End::Stopped, &mut |_| {});
    let _ = journal.close();
}
