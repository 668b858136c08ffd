//! The loop around the state machine: waits by kqueue(2) for signals, for the end of children, and for time.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidInfoFlags, Signal, WaitOptions, WaitStatus, get_reaper_pids, get_reaper_status, kill_process,
    set_reaper_status, wait,
};
use thinjail_plan::path::HostPath;
use thinjail_plan::plan::{Plan, Ready};
use thinjail_sys::freebsd::jail::{self, By, Jid};
use thinjail_sys::freebsd::kinfo;
use thinjail_sys::freebsd::kqueue::{self, Queue};
use thinjail_sys::freebsd::process::{self, Side};
use thinjail_sys::freebsd::signal::{self, SIGCHLD, SignalSet};

use super::relay::Relay;
use super::reload::Reloads;
use crate::claim;
use crate::journal::Journal;
use crate::look;
use crate::run::{Outcome, RunError};
use crate::supervise::machine::{self, Action, Event, Stage};
use crate::supervise::service::Service;
use crate::supervise::words::Word;

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
        signal::keep(&FORWARDED)?;
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
        // Killed and reaped, its pid may be somebody else's.
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let of_guardian = kinfo::parent(self.guardian.as_raw_nonzero().get());
        let guardian = usize::from(of_guardian.is_ok_and(|parent| parent == own));
        get_reaper_status(None).is_ok_and(|status| status.descendants > guardian)
    }

    /// Our child that runs, if there is only one but the guardian.
    fn only_child(&self) -> Option<Pid> {
        let ended = PidInfoFlags::ZOMBIE | PidInfoFlags::EXITING;
        let mut all = get_reaper_pids(None).ok()?;
        all.retain(|info| info.flags.contains(PidInfoFlags::CHILD) && !info.flags.intersects(ended));
        all.retain(|info| info.pid != self.guardian);
        match all[..] {
            [child] => Some(child.pid),
            _ => None,
        }
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

/// Who is the main process once the one that was started has ended.
#[derive(Debug)]
pub(super) struct Search {
    /// Where the daemon writes its pid, on the host.
    pidfile: Option<HostPath>,
    /// Nobody says which: all of them are, unless it is the only one that is left.
    tree: bool,
}

/// How long a daemon that has gone into the background is given between two looks at its pidfile.
const LOOK: Duration = Duration::from_millis(20);

impl Search {
    /// As the plan says.
    pub(super) fn of(plan: &Plan, root: &HostPath) -> Self {
        let place = plan.service.daemon_pidfile.as_ref().and_then(|path| HostPath::new(&format!("{root}{path}")).ok());
        let tree = place.is_none() && plan.service.ready == Ready::Forked;
        Self { pidfile: place, tree }
    }

    /// Whom the pidfile names, if that is a process of the jail's that runs and whose end we will see.
    fn find(&self, jail: &Jail) -> Option<Pid> {
        child(jail, read_pid(self.pidfile.as_ref()?)?)
    }
}

/// A process of the jail's whose end we will see: a child of ours, and not the guardian.
fn child(jail: &Jail, number: i32) -> Option<Pid> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let pid = Pid::from_raw(number).filter(|pid| number > 1 && *pid != jail.guardian)?;
    (kinfo::parent(number).ok()? == own).then_some(pid)
}

/// What a file that the daemon has written says. It may be anything; nothing of it is told to anybody.
fn read_pid(path: &HostPath) -> Option<i32> {
    let directory = look::directory(&path.parent()?, OFlags::RDONLY).ok()?;
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&directory, path.name()?, how, Mode::empty()).ok()?;
    let plain = FileType::from_raw_mode(rustix::fs::fstat(&file).ok()?.st_mode).is_file();
    let mut bytes = [0; 32];
    let count = rustix::io::read(&file, &mut bytes).ok().filter(|_| plain)?;
    let text = std::str::from_utf8(&bytes[..count]).ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// Where the search is.
#[derive(Clone, Copy, Debug, Default)]
struct Hunt {
    /// The main process has ended, or nobody is it.
    main_is_gone: bool,
    /// How it ended, while it is not known whether there is another.
    ended: Option<Outcome>,
    /// How the last that we have reaped ended.
    last: Option<Outcome>,
    /// Where nobody says who is the main process: there was one left alone, and that is it.
    alone: bool,
}

/// Waits until the jail is gone; says whether the main process ended unasked and well though others were left, as one does that
/// goes into the background. `stopping` is called once, when it is told to stop.
pub(super) fn supervise(
    jail: &mut Jail,
    (signals, relay, reloads): (&Signals, Option<&Relay>, &mut Reloads<'_>),
    (search, journal): (&Search, &mut Journal),
    service: &mut Service<'_>,
    stopping: &mut dyn FnMut(&mut Service<'_>, Jid),
) -> io::Result<bool> {
    if let Some(relay) = relay {
        signals.queue.watch_read(relay.inside())?;
    }
    let mut background = false;
    let mut hunt = Hunt::default();
    let wait_all = service.waits_for_all();
    loop {
        service.write(journal);
        let again = hunt.ended.map(|_| LOOK);
        let wait = [service.left(), again].into_iter().flatten().min();
        let runs = matches!(service.stage(), Stage::Starting { .. } | Stage::Running { .. });
        let starting = matches!(service.stage(), Stage::Starting { .. });
        let follows = starting || service.stage() == Stage::Running { told: false };
        let mut event = next_event(jail, (signals, relay, reloads), wait, &mut hunt, service)?;
        // One who hangs up a terminal asks for no reload.
        if matches!(service.stage(), Stage::Running { .. })
            && event == (Event::Signal { signal: machine::signal::HUP, by_kernel: false })
            && reloads.asked()?
        {
            continue;
        }
        if let Event::MainEnded(outcome) = event {
            let left = jail.others();
            let well = outcome == Outcome::Exited(0);
            if search.tree && left && follows && well && (starting || hunt.alone) {
                event = if starting { Event::Ready } else { Event::Time };
                hunt.alone = false;
                if let Some(found) = jail.only_child().filter(|_| !wait_all) {
                    (jail.main, hunt) = (found, Hunt { alone: true, ..Hunt::default() });
                    reloads.follow(found);
                    claim::tell(journal, found, Some(jail.jid.0)).map_err(RunError::into_io)?;
                }
            } else if search.pidfile.is_some() && left && follows {
                hunt.ended = Some(outcome);
                event = Event::Time;
            } else {
                background |= left && well && !wait_all && service.stage() == Stage::Running { told: false };
            }
        }
        if let Some(outcome) = hunt.ended {
            if let Some(found) = search.find(jail).filter(|_| follows) {
                (jail.main, hunt) = (found, Hunt::default());
                reloads.follow(found);
                claim::tell(journal, found, Some(jail.jid.0)).map_err(RunError::into_io)?;
                if starting && service.forks() {
                    event = Event::Ready;
                } else {
                    service.observer().told(&format!("the main process is {} from now on", found.as_raw_nonzero()));
                }
            } else if !(starting && outcome == Outcome::Exited(0) && jail.others()) {
                hunt.ended = None;
                for action in service.happens(Event::MainEnded(outcome)) {
                    act(jail, search.tree && !hunt.alone, action)?;
                }
            }
        }
        if let Some(Word::MainPid(pid)) = hunt_words(&mut event, service)
            && let Some(found) = child(jail, pid).filter(|_| follows)
        {
            jail.main = found;
            reloads.follow(found);
            claim::tell(journal, found, Some(jail.jid.0)).map_err(RunError::into_io)?;
        }
        // Before the stop signal, as jail(8) has it.
        if runs && matches!(event, Event::Signal { signal: machine::signal::TERM, .. }) {
            stopping(service, jail.jid);
        }
        for action in service.happens(event) {
            act(jail, search.tree && !hunt.alone, action)?;
        }
        let over = hunt.main_is_gone && hunt.ended.is_none();
        if over && ((!wait_all && (!search.tree || hunt.alone)) || !jail.others()) {
            if let Some(last) = hunt.last.filter(|_| search.tree) {
                service.happens(Event::MainEnded(last));
            }
            jail.kill();
            service.happens(Event::JailGone);
            return Ok(background);
        }
    }
}

/// What the daemon has said of itself: that it is ready becomes the event where there is no other, and who is the main process
/// comes back.
fn hunt_words(event: &mut Event, service: &mut Service<'_>) -> Option<Word> {
    let words = service.hear(false);
    if words.contains(&Word::Ready) {
        if *event == Event::Time {
            *event = Event::Ready;
        } else {
            service.happens(Event::Ready);
        }
    }
    words.into_iter().rev().find(|word| matches!(word, Word::MainPid(_)))
}

/// What happens next. Children are reaped as they end.
fn next_event(
    jail: &Jail,
    (signals, relay, reloads): (&Signals, Option<&Relay>, &mut Reloads<'_>),
    timeout: Option<Duration>,
    hunt: &mut Hunt,
    service: &Service<'_>,
) -> io::Result<Event> {
    let mut waited = false;
    loop {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    let Some(outcome) = outcome(status) else { continue };
                    hunt.last = Some(outcome);
                    if pid == jail.main && !hunt.main_is_gone {
                        hunt.main_is_gone = true;
                        return Ok(Event::MainEnded(outcome));
                    }
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
        let timeout = timeout.map(|time| Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(time.subsec_nanos()),
        });
        let queue = PollFd::from_borrowed_fd(signals.queue.fd(), PollFlags::IN);
        let ([woken], _) = service.poll([queue], timeout.as_ref())?;
        if woken
            && let (Some(kqueue::Event::Readable(_)), Some(relay)) = (signals.queue.wait(Some(Duration::ZERO))?, relay)
        {
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

fn act(jail: &Jail, all: bool, action: Action) -> io::Result<()> {
    match action {
        // Where nobody is the main process, all of them are.
        Action::SignalMain(number) if all => signal_all(jail, number),
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
        Action::TellLate
        | Action::TellDeaf
        | Action::TellReady
        | Action::TellRestart(_)
        | Action::TellGivenUp
        | Action::Build => Ok(()),
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
