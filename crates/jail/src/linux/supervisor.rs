//! The loop around the state machine: waits for signals, for pid 1's word and for its end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};
use thinjail_sys::linux::memory;
use thinjail_sys::linux::signal::{self, SignalSet};

use super::init;
use super::message::{Message, SIZE};
use super::reload::Reloads;
use crate::journal::Journal;
use crate::run::Outcome;
use crate::supervise::machine::{self, Action, Event, Stage};
use crate::supervise::service::Service;

/// Handed on to the main process, once each.
const FORWARDED: [i32; 7] = [1, 2, 3, 10, 12, 15, 28];

/// Signals as a descriptor, from before anything is built: one that comes meanwhile waits.
#[derive(Debug)]
pub(super) struct Signals {
    fd: OwnedFd,
}

impl Signals {
    /// Blocks them and takes them as data from now on.
    pub(super) fn take() -> std::io::Result<Self> {
        // Where the caller ignores SIGCHLD the kernel reaps children by itself, and nobody learns how they ended.
        signal::interrupts_only(signal::SIGCHLD)?;
        // A file of the jail or the pidfile that can't be written is an error, after which everything is taken back.
        signal::survive_file_size_limit()?;
        let set = SignalSet::of(&FORWARDED);
        signal::set_mask(&set)?;
        Ok(Self { fd: signal::signalfd(&set)? })
    }

    /// The next one that has come.
    pub(super) fn next(&self) -> std::io::Result<Option<signal::Received>> {
        signal::read_signalfd(&self.fd)
    }

    /// Waits for one, and for this long at most.
    pub(super) fn wait(&self, time: Option<Duration>) -> std::io::Result<Event> {
        match poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], time.map(timespec).as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.next()?.map_or(Event::Time, event))
    }

    /// To wait upon.
    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }
}

/// A jail that runs.
#[derive(Debug)]
pub(super) struct Jail {
    /// Pid 1's pid on the host.
    pub(super) init: Pid,
    /// A descriptor for pid 1.
    pub(super) init_fd: OwnedFd,
    /// A descriptor for the main process.
    pub(super) main_fd: OwnedFd,
    /// To pid 1.
    pub(super) life: OwnedFd,
    /// Without a pid namespace: what we call pid 1 is an ordinary process, and ends the others before itself.
    pub(super) landlocked: bool,
}

fn event(received: signal::Received) -> Event {
    Event::Signal { signal: received.signal, by_kernel: received.by_kernel }
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(time.subsec_nanos()) }
}

/// Waits until the jail is gone; says whether the main process ended unasked and well though others were left, as one does that
/// goes into the background.
pub(super) fn supervise(
    jail: &Jail,
    signals: &Signals,
    journal: &mut Journal,
    service: &mut Service<'_>,
    reloads: &mut Reloads<'_>,
) -> std::io::Result<bool> {
    let mut background = false;
    // What only the start needed. The program is just being loaded, on another processor if there is one.
    memory::give_back();
    loop {
        service.write(journal);
        let (event, left) = next_event(jail, signals, reloads, service.left())?;
        // One who hangs up a terminal asks for no reload.
        if matches!(service.stage(), Stage::Running { .. })
            && event == (Event::Signal { signal: machine::signal::HUP, by_kernel: false })
            && reloads.asked()?
        {
            continue;
        }
        let unasked = service.stage() == Stage::Running { told: false };
        background |= left && unasked && event == Event::MainEnded(Outcome::Exited(0));
        for action in service.happens(event) {
            act(jail, action)?;
        }
        if event == Event::JailGone {
            return Ok(background);
        }
    }
}

/// What happens next; and if that is the end of the main process, whether others are left.
fn next_event(
    jail: &Jail,
    signals: &Signals,
    reloads: &mut Reloads<'_>,
    wait: Option<Duration>,
) -> std::io::Result<(Event, bool)> {
    let timeout = wait.map(timespec);
    let mut fds = vec![
        PollFd::new(signals.fd(), PollFlags::IN),
        PollFd::new(&jail.life, PollFlags::IN),
        PollFd::new(&jail.init_fd, PollFlags::IN),
    ];
    fds.extend(reloads.fd().map(|fd| PollFd::new(fd, PollFlags::IN)));
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
    drop(fds);
    if ready.get(3) == Some(&true) {
        reloads.ended()?;
    }
    if ready[0]
        && let Some(received) = signals.next()?
    {
        return Ok((event(received), false));
    }
    // Before the end of pid 1: what it said last says how the main process ended.
    if ready[1] {
        let mut bytes = [0; SIZE];
        if let Ok((count, _)) = recv(&jail.life, &mut bytes, RecvFlags::DONTWAIT)
            && let Some(Message::Ended { status, left }) = Message::from_bytes(&bytes[..count])
        {
            return Ok((Event::MainEnded(outcome(status)), left));
        }
        // Its end of the socket is closed: it is about to end.
        return reap(jail.init).map(|()| (Event::JailGone, false));
    }
    if ready[2] {
        return reap(jail.init).map(|()| (Event::JailGone, false));
    }
    Ok((Event::Time, false))
}

/// Waits for pid 1 to be gone, and with it every process and mount of the jail.
pub(super) fn reap(init: Pid) -> std::io::Result<()> {
    loop {
        match waitid(WaitId::Pid(init), WaitIdOptions::EXITED) {
            Ok(_) | Err(Errno::CHILD) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A status of wait(2).
pub(super) fn outcome(status: i32) -> Outcome {
    match status & 0x7f {
        0 => Outcome::Exited((status >> 8) & 0xff),
        signal => Outcome::Signaled(signal),
    }
}

fn act(jail: &Jail, action: Action) -> std::io::Result<()> {
    match action {
        Action::SignalMain(number) => send(jail.main_fd.as_fd(), number),
        Action::SignalAll(number) => signal_all(jail, number),
        Action::Kill => kill(jail),
        // What is only said is said by the service.
        Action::TellLate | Action::TellReady | Action::TellRestart(_) | Action::TellGivenUp | Action::Build => Ok(()),
    }
}

pub(super) fn send(to: BorrowedFd<'_>, number: i32) -> std::io::Result<()> {
    let Some(signal) = Signal::from_named_raw(number) else { return Ok(()) };
    match pidfd_send_signal(to, signal) {
        // It has just ended; we will hear of it.
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Ends every process of a jail: the kernel does it where pid 1 dies, and init where the socket to us does.
pub(super) fn kill(jail: &Jail) -> std::io::Result<()> {
    if !jail.landlocked {
        return send(jail.init_fd.as_fd(), machine::signal::KILL);
    }
    match rustix::net::shutdown(&jail.life, rustix::net::Shutdown::Both) {
        Ok(()) | Err(Errno::NOTCONN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Our pid as /proc has it; empty without one.
fn own_pid_in_proc() -> String {
    let name = std::fs::read_link("/proc/self").unwrap_or_default();
    name.to_str().unwrap_or_default().to_owned()
}

/// Every process of the jail but its pid 1, found by its pid namespace: pid 1 itself has no capability to do it.
fn signal_all(jail: &Jail, number: i32) -> std::io::Result<()> {
    // In a pid namespace whose /proc is still that of another, its numbers are those of strangers.
    if rustix::process::getpid().as_raw_nonzero().to_string() != own_pid_in_proc() {
        return Ok(());
    }
    if jail.landlocked {
        for pid in init::below(jail.init) {
            // Looked at again once it is held: a pid may have come to another process meanwhile.
            let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
            if init::below(jail.init).contains(&pid) {
                send(fd.as_fd(), number)?;
            }
        }
        return Ok(());
    }
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid"));
    let init = jail.init.as_raw_nonzero().to_string();
    let ours = match namespace(&init) {
        Ok(ours) => Some(ours),
        // Without root we may not look at one that is not dumpable. Its descendants are the jail all the same.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => None,
        // It has just ended, and the others with it.
        Err(_) => return Ok(()),
    };
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(text) = name.to_str() else { continue };
        let Some(pid) = text.parse().ok().and_then(Pid::from_raw) else { continue };
        // The descriptor first, then the question: the answer is about the process that the descriptor holds, unless it has
        // ended, and then sending does nothing.
        let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        let inside = match &ours {
            Some(ours) => namespace(text).is_ok_and(|found| found == *ours),
            None => descends(text, &init),
        };
        if text != init && inside {
            send(fd.as_fd(), number)?;
        }
    }
    Ok(())
}

/// Whether a process has `init` above it. Whoever loses its parent in the jail becomes a child of its pid 1, so none gets out.
fn descends(pid: &str, init: &str) -> bool {
    const DEEPEST: usize = 4096;
    let mut pid = pid.to_owned();
    for _ in 0..DEEPEST {
        if pid == init {
            return true;
        }
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
        // The second field is the name in brackets, which may have any character in it; the fourth is the parent.
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
        match parent {
            Some(parent) if parent != "0" => pid = parent.to_owned(),
            _ => return false,
        }
    }
    false
}
