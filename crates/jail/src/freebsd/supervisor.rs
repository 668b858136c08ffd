//! The loop around the state machine: waits by kqueue(2) for signals, for the end of children, and for time.

use std::io;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, get_reaper_status, kill_process, set_reaper_status, wait};
use thinjail_plan::path::HostPath;
use thinjail_sys::freebsd::jail::{self, By, Jid};
use thinjail_sys::freebsd::kqueue::{self, Queue};
use thinjail_sys::freebsd::process::{self, Side};
use thinjail_sys::freebsd::signal::{self, SIGCHLD, SignalSet};

use super::relay::Relay;
use super::reload::Reloads;
use crate::journal::Journal;
use crate::run::Outcome;
use crate::supervise::machine::{self, Action, Event, Stage};
use crate::supervise::service::Service;

/// Handed on to the main process, once each: HUP INT QUIT TERM WINCH INFO USR1 USR2; signal(3).
const FORWARDED: [i32; 8] = [1, 2, 3, 15, 28, 29, 30, 31];

/// Signals as data, from before anything is built: one that comes meanwhile waits.
#[derive(Debug)]
pub(super) struct Signals {
    queue: Queue,
    set: SignalSet,
}

impl Signals {
    /// Blocks them and takes them as data from now on, and becomes the reaper of what is started.
    pub(super) fn take() -> io::Result<Self> {
        signal::prepare()?;
        // Whoever is orphaned in the jail becomes our child, so that we see its end. Before any child of ours is started: the
        // kernel counts none that was there already.
        match set_reaper_status(true) {
            // We are one already.
            Ok(()) | Err(Errno::BUSY) => {}
            Err(error) => return Err(error.into()),
        }
        let all: Vec<i32> = FORWARDED.into_iter().chain([SIGCHLD]).collect();
        let set = SignalSet::of(&all);
        signal::set_mask(&set)?;
        let queue = Queue::new()?;
        for signal in all {
            queue.watch_signal(signal)?;
        }
        Ok(Self { queue, set })
    }

    /// Whether one that means to stop waits.
    pub(super) fn told_to_stop(&self) -> io::Result<bool> {
        let waiting = signal::pending()?;
        Ok([machine::signal::TERM, machine::signal::INT, machine::signal::QUIT].iter().any(|stop| waiting.has(*stop)))
    }

    /// Waits for one, and for this long at most. Whoever has become our child meanwhile is reaped.
    pub(super) fn wait(&self, time: Option<Duration>) -> io::Result<Event> {
        for waited in [false, true] {
            if let Some(received) = self.next()? {
                return Ok(Event::Signal { signal: received.signal, by_kernel: received.by_kernel });
            }
            if !waited {
                self.queue.wait(time)?;
            }
        }
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        Ok(Event::Time)
    }

    /// The next one that has come and is not SIGCHLD, which only wakes us.
    fn next(&self) -> io::Result<Option<signal::Received>> {
        loop {
            match signal::take(&self.set)? {
                Some(received) if received.signal == SIGCHLD => {}
                other => return Ok(other),
            }
        }
    }
}

/// A jail that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jail {
    /// The main process, a child of ours, whose pid is its own until we have reaped it.
    pub(super) main: Pid,
    /// The jail's number.
    pub(super) jid: Jid,
    /// The guardian, a child of ours as well.
    pub(super) guardian: Pid,
}

/// How long after its processes a jail itself may be there.
const GONE_WITHIN: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

impl Jail {
    /// Kills all that is in it, and waits until that is gone.
    pub(super) fn kill(&self) {
        let _ = jail::jail_remove(self.jid);
        let start = Instant::now();
        while start.elapsed() < GONE_WITHIN {
            while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
            if !self.others() && !self.is_there() {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Whether it is there; one that only waits for its sockets is not.
    fn is_there(&self) -> bool {
        matches!(jail::jail_get(By::Jid(self.jid)), Ok(Some(found)) if !found.dying)
    }

    /// Whether processes are left that were started in it: all descendants of ours but the guardian.
    fn others(&self) -> bool {
        let guardian = usize::from(rustix::process::test_kill_process(self.guardian).is_ok());
        get_reaper_status(None).is_ok_and(|status| status.descendants > guardian)
    }
}

/// Takes a jail of ours away that nobody supervises any more, and waits until it is gone.
pub(super) fn remove(name: &str, root: &HostPath) {
    let Ok(c_name) = std::ffi::CString::new(name) else { return };
    let start = Instant::now();
    while !gone(name, root) && start.elapsed() < GONE_WITHIN {
        if let Ok(Some(found)) = jail::jail_get(By::Name(&c_name)) {
            let _ = jail::jail_remove(found.jid);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Whether no jail of that name with that root is there.
pub(super) fn gone(name: &str, root: &HostPath) -> bool {
    let Ok(name) = std::ffi::CString::new(name) else { return true };
    match jail::jail_get(By::Name(&name)) {
        Ok(Some(found)) => found.path != root.as_str() || found.dying,
        Ok(None) => true,
        Err(_) => false,
    }
}

/// Waits until the jail is gone; says whether the main process ended unasked and well though others were left, as one does that
/// goes into the background. `stopping` is called once, when it is told to stop.
pub(super) fn supervise(
    jail: &Jail,
    (signals, relay): (&Signals, Option<&Relay>),
    journal: &mut Journal,
    service: &mut Service<'_>,
    reloads: &mut Reloads<'_>,
    stopping: &mut dyn FnMut(&mut Service<'_>),
) -> io::Result<bool> {
    if let Some(relay) = relay {
        signals.queue.watch_read(relay.inside())?;
    }
    let mut background = false;
    let mut main_is_left = true;
    let wait_all = service.waits_for_all();
    loop {
        service.write(journal);
        let event = next_event(jail, (signals, relay), reloads, service.left(), &mut main_is_left)?;
        // One who hangs up a terminal asks for no reload.
        if matches!(service.stage(), Stage::Running { .. })
            && event == (Event::Signal { signal: machine::signal::HUP, by_kernel: false })
            && reloads.asked()?
        {
            continue;
        }
        let runs = matches!(service.stage(), Stage::Starting { .. } | Stage::Running { .. });
        if let Event::MainEnded(outcome) = event {
            let left = !wait_all && jail.others();
            let unasked = service.stage() == Stage::Running { told: false };
            background |= left && unasked && outcome == Outcome::Exited(0);
        }
        // Before the stop signal, as jail(8) has it.
        if runs && matches!(event, Event::Signal { signal: machine::signal::TERM, .. }) {
            stopping(service);
        }
        for action in service.happens(event) {
            act(jail, action)?;
        }
        if !main_is_left && (!wait_all || !jail.others()) {
            jail.kill();
            service.happens(Event::JailGone);
            return Ok(background);
        }
    }
}

/// What happens next. Children are reaped as they end.
fn next_event(
    jail: &Jail,
    (signals, relay): (&Signals, Option<&Relay>),
    reloads: &mut Reloads<'_>,
    timeout: Option<Duration>,
    main_is_left: &mut bool,
) -> io::Result<Event> {
    let mut waited = false;
    loop {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == jail.main && *main_is_left => {
                    if let Some(outcome) = outcome(status) {
                        *main_is_left = false;
                        return Ok(Event::MainEnded(outcome));
                    }
                }
                Ok(Some((pid, _))) => {
                    reloads.ended(pid)?;
                }
                Err(Errno::INTR) => {}
                Ok(None) | Err(_) => break,
            }
        }
        if let Some(received) = signals.next()? {
            return Ok(Event::Signal { signal: received.signal, by_kernel: received.by_kernel });
        }
        // The last of the jail may have ended after the main process.
        if waited {
            return Ok(Event::Time);
        }
        if let (Some(kqueue::Event::Readable(_)), Some(relay)) = (signals.queue.wait(timeout)?, relay) {
            relay.hand_on();
        }
        waited = true;
    }
}

/// How it ended; none if it was only stopped or went on.
pub(super) fn outcome(status: WaitStatus) -> Option<Outcome> {
    if let Some(code) = status.exit_status() {
        return Some(Outcome::Exited(code));
    }
    status.terminating_signal().map(Outcome::Signaled)
}

fn act(jail: &Jail, action: Action) -> io::Result<()> {
    match action {
        Action::SignalMain(number) => {
            match Signal::from_named_raw(number).map(|signal| kill_process(jail.main, signal)) {
                // It has just ended; we will hear of it.
                None | Some(Ok(()) | Err(Errno::SRCH)) => Ok(()),
                Some(Err(error)) => Err(error.into()),
            }
        }
        Action::SignalAll(number) => signal_all(jail, number),
        Action::Kill => match jail::jail_remove(jail.jid) {
            // It has just ended.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => Ok(()),
            other => other,
        },
        // What is only said is said by the service.
        Action::TellLate | Action::TellReady | Action::TellRestart(_) | Action::TellGivenUp | Action::Build => Ok(()),
    }
}

/// Every process of the jail, by kill(2) to all from inside of it: there it reaches nobody else.
fn signal_all(jail: &Jail, number: i32) -> io::Result<()> {
    let Some(signal) = Signal::from_named_raw(number) else { return Ok(()) };
    match process::fork()? {
        // It is reaped with the others.
        Side::Parent(_) => Ok(()),
        Side::Child => {
            let sent = process::close_all_but(&[])
                .and_then(|()| jail::jail_attach(jail.jid))
                .and_then(|()| process::kill_all(signal));
            process::exit(i32::from(sent.is_err()))
        }
    }
}
