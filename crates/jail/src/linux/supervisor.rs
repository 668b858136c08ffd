//! The loop around the state machine: waits for signals, for pid 1's word and for its end.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};
use thinjail_sys::linux::memory;
use thinjail_sys::linux::signal::{self, SignalSet};

use super::init;
use super::message::{Message, SIZE};
use super::reload::Reloads;
use super::watch::Watch;
use crate::claim;
use crate::journal::Journal;
use crate::pidfile::Pidfile;
use crate::run::{Outcome, RunError};
use crate::supervise::machine::{self, Action, Event, Stage};
use crate::supervise::service::Service;
use crate::supervise::words::Word;

/// Handed on to the main process, once each.
const FORWARDED: [i32; 7] = [1, 2, 3, 10, 12, 15, 28];

/// Signals as a descriptor, from before anything is built: one that comes meanwhile waits.
#[derive(Debug)]
pub(super) struct Signals {
    fd: OwnedFd,
}

impl Signals {
    /// Blocks them and takes them as data from now on.
    pub(super) fn take() -> io::Result<Self> {
        // Where the caller ignores SIGCHLD the kernel reaps children by itself, and nobody learns how they ended.
        signal::interrupts_only(signal::SIGCHLD)?;
        let set = SignalSet::of(&FORWARDED);
        signal::set_mask(&set)?;
        Ok(Self { fd: signal::signalfd(&set)? })
    }

    /// The next one that has come.
    pub(super) fn next(&self) -> io::Result<Option<signal::Received>> {
        signal::read_signalfd(&self.fd)
    }

    /// Waits for one, and for this long at most.
    pub(super) fn wait(&self, time: Option<Duration>) -> io::Result<Event> {
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
    /// Once the main process has ended pid 1 waits to be told whether another one is it.
    pub(super) follows: bool,
    /// Nobody says who is the main process: all of them are, unless it is the only one that is left.
    pub(super) tree: bool,
    /// It ends with its last process.
    pub(super) wait_all: bool,
    /// Whether another main process is looked for.
    pub(super) hunt: Hunt,
}

/// The search for another main process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hunt {
    /// How the one before ended, while it is not known whether there is another.
    ended: Option<Outcome>,
    /// When pid 1 is asked again.
    again: Option<Instant>,
    /// Where nobody says who is the main process: there was one left alone, and that is it.
    alone: bool,
}

/// How long a daemon that has gone into the background is given between two looks at its pidfile.
const LOOK: Duration = Duration::from_millis(20);

/// A program that has run for so long is one that stays, and what only the start needed goes back to the system: one that ends
/// at once would have it read again for its end.
const SETTLED: Duration = Duration::from_millis(50);

fn event(received: signal::Received) -> Event {
    Event::Signal { signal: received.signal, by_kernel: received.by_kernel }
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(time.subsec_nanos()) }
}

/// Waits until the jail is gone; says whether the main process ended unasked and well though others were left, as one does that
/// goes into the background.
pub(super) fn supervise(
    jail: &mut Jail,
    (signals, reloads, mut watch): (&Signals, &mut Reloads<'_>, Option<&mut Watch<'_>>),
    (mut pidfile, journal): (Option<&mut Pidfile>, &mut Journal),
    service: &mut Service<'_>,
) -> io::Result<bool> {
    let mut background = false;
    let mut settles = Some(Instant::now() + SETTLED);
    loop {
        if settles.is_some_and(|at| Instant::now() >= at) {
            settles = None;
            memory::give_back();
        }
        service.write(journal);
        let again = jail.hunt.again.map(|at| at.saturating_duration_since(Instant::now()));
        let look = watch.as_ref().and_then(|watch| watch.left());
        let settle = settles.map(|at| at.saturating_duration_since(Instant::now()));
        let wait = [service.left(), again, look, settle].into_iter().flatten().min();
        let event = match next(jail, (signals, reloads, watch.as_deref_mut()), wait, service)? {
            Heard::Event(event) => event,
            Heard::Said(words) => said(jail, service.stage(), &words)?,
            Heard::Look => {
                ask(jail, 0, true)?;
                Event::Time
            }
            Heard::Ended { outcome, left } => {
                let unasked = service.stage() == Stage::Running { told: false };
                // Its pid is told before its parent ends, but by another way.
                let words = service.hear(false);
                said(jail, service.stage(), &words)?;
                background |= left && unasked && outcome == Outcome::Exited(0) && !jail.follows && !jail.tree;
                ended(jail, service.stage(), outcome, left)?
            }
            Heard::Main(found) => match found.and_then(|fd| Some((pid_of(&fd)?, fd))) {
                Some((pid, fd)) => {
                    reloads.follow(&fd);
                    jail.main_fd = fd;
                    jail.hunt = Hunt { alone: jail.tree, ..Hunt::default() };
                    if let Some(pidfile) = &mut pidfile {
                        pidfile.write(pid.as_raw_nonzero().get()).map_err(RunError::into_io)?;
                    }
                    claim::tell(journal, pid, None).map_err(RunError::into_io)?;
                    found_main(service, pid)
                }
                None => not_found(jail, service.stage())?,
            },
        };
        // One who hangs up a terminal asks for no reload.
        if matches!(service.stage(), Stage::Running { .. })
            && event == (Event::Signal { signal: machine::signal::HUP, by_kernel: false })
            && reloads.asked()?
        {
            continue;
        }
        for action in service.happens(event) {
            act(jail, action)?;
        }
        if event == Event::JailGone {
            return Ok(background);
        }
        // Told to stop while it had no main process: those that are left have been told, and have until the deadline.
        if !matches!(service.stage(), Stage::Starting { .. } | Stage::Running { .. })
            && let Some(outcome) = jail.hunt.ended.take()
        {
            jail.hunt = Hunt::default();
            for action in service.happens(Event::MainEnded(outcome)) {
                act(jail, action)?;
            }
        }
    }
}

/// There is another main process.
fn found_main(service: &mut Service<'_>, pid: Pid) -> Event {
    if matches!(service.stage(), Stage::Starting { .. }) {
        return if service.forks() { Event::Ready } else { Event::Time };
    }
    service.observer().told(&format!("the main process is {} from now on", pid.as_raw_nonzero()));
    Event::Time
}

/// What the daemon has said of itself.
fn said(jail: &mut Jail, stage: Stage, words: &[Word]) -> io::Result<Event> {
    for word in words {
        if let Word::MainPid(pid) = word
            && matches!(stage, Stage::Starting { .. } | Stage::Running { told: false })
        {
            ask(jail, *pid, false)?;
        }
    }
    Ok(if words.contains(&Word::Ready) { Event::Ready } else { Event::Time })
}

/// The main process has ended: is there another?
fn ended(jail: &mut Jail, stage: Stage, outcome: Outcome, left: bool) -> io::Result<Event> {
    let starting = matches!(stage, Stage::Starting { .. });
    let unasked = starting || stage == Stage::Running { told: false };
    // One that has gone into the background, and leaves somebody there.
    let forked = starting && outcome == Outcome::Exited(0);
    if jail.tree && left {
        if forked && jail.wait_all {
            return Ok(Event::Ready);
        }
        // Many a daemon forks once more, so that the one that was left alone ends as well.
        if unasked && outcome == Outcome::Exited(0) {
            jail.hunt.ended = Some(outcome);
            ask(jail, 0, true)?;
            return Ok(Event::Time);
        }
        tell(jail, Message::End)?;
        return Ok(Event::MainEnded(outcome));
    }
    if jail.follows && left && unasked {
        jail.hunt.ended = Some(outcome);
        // Of one that ran and has ended, whoever is left may be a helper, and no other main process.
        ask(jail, 0, forked)?;
        return Ok(Event::Time);
    }
    if jail.follows && left && !jail.wait_all {
        tell(jail, Message::End)?;
    }
    Ok(Event::MainEnded(outcome))
}

/// Nobody is the main process: not yet, or no more.
fn not_found(jail: &mut Jail, stage: Stage) -> io::Result<Event> {
    let Some(outcome) = jail.hunt.ended else { return Ok(Event::Time) };
    if jail.tree && matches!(stage, Stage::Starting { .. } | Stage::Running { told: false }) {
        jail.hunt = Hunt::default();
        return Ok(Event::Ready);
    }
    if matches!(stage, Stage::Starting { .. }) && outcome == Outcome::Exited(0) {
        jail.hunt.again = Some(Instant::now() + LOOK);
        return Ok(Event::Time);
    }
    jail.hunt = Hunt::default();
    if !jail.wait_all {
        tell(jail, Message::End)?;
    }
    Ok(Event::MainEnded(outcome))
}

/// Asks pid 1 who is the main process.
fn ask(jail: &mut Jail, pid: i32, guess: bool) -> io::Result<()> {
    jail.hunt.again = None;
    tell(jail, Message::Find { pid, guess })
}

/// Tells pid 1. That it has ended we see by itself.
fn tell(jail: &Jail, message: Message) -> io::Result<()> {
    match rustix::net::send(&jail.life, &message.to_bytes(), SendFlags::NOSIGNAL) {
        Ok(_) | Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The pid of a process that a descriptor holds, as we see it; proc_pid_fdinfo(5). None if it has ended.
fn pid_of(fd: &OwnedFd) -> Option<Pid> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).ok()?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    Pid::from_raw(pid.trim().parse().ok().filter(|pid| *pid > 0)?)
}

/// What was heard.
enum Heard {
    /// Something that the state machine knows.
    Event(Event),
    /// What the daemon said of itself.
    Said(Vec<Word>),
    /// The main process has ended; others may be left.
    Ended { outcome: Outcome, left: bool },
    /// Whom pid 1 has found.
    Main(Option<OwnedFd>),
    /// It is time to ask pid 1 again: once, since each answer counts.
    Look,
}

/// What happens next.
fn next(
    jail: &Jail,
    (signals, reloads, watch): (&Signals, &mut Reloads<'_>, Option<&mut Watch<'_>>),
    wait: Option<Duration>,
    service: &mut Service<'_>,
) -> io::Result<Heard> {
    let timeout = wait.map(timespec);
    let of = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
    let helper = reloads.fd().map(AsFd::as_fd);
    let helps = helper.is_some();
    // What there is none of is waited for in place of a signal.
    let none = signals.fd().as_fd();
    let watched = watch.as_ref().map_or([None; 2], |watch| watch.fds().map(|fd| fd.map(AsFd::as_fd)));
    let watches = watched.map(|fd| fd.is_some());
    let ours = [
        of(signals.fd().as_fd()),
        of(jail.life.as_fd()),
        of(jail.init_fd.as_fd()),
        of(helper.unwrap_or(none)),
        of(watched[0].unwrap_or(none)),
        of(watched[1].unwrap_or(none)),
    ];
    let (ready, heard) = service.poll(ours, timeout.as_ref())?;
    if helps && ready[3] {
        reloads.ended()?;
    }
    if let Some(watch) = watch
        && watch.go_on([watches[0] && ready[4], watches[1] && ready[5]], &jail.main_fd)?
        && matches!(service.stage(), Stage::Running { .. })
    {
        reloads.asked()?;
    }
    if ready[0]
        && let Some(received) = signals.next()?
    {
        return Ok(Heard::Event(event(received)));
    }
    if heard {
        let words = service.hear(false);
        if !words.is_empty() {
            return Ok(Heard::Said(words));
        }
    }
    // Before the end of pid 1: what it said last says how the main process ended.
    if ready[1] {
        match hear(&jail.life) {
            Some((Message::Ended { status, left }, _)) => {
                return Ok(Heard::Ended { outcome: outcome(status), left });
            }
            Some((Message::Main { .. }, main)) => return Ok(Heard::Main(main)),
            _ => {}
        }
        // Its end of the socket is closed: it is about to end.
        return reap(jail.init).map(|()| Heard::Event(Event::JailGone));
    }
    if ready[2] {
        return reap(jail.init).map(|()| Heard::Event(Event::JailGone));
    }
    Ok(match jail.hunt.again {
        Some(at) if Instant::now() >= at => Heard::Look,
        _ => Heard::Event(Event::Time),
    })
}

/// A message of pid 1's, with the descriptor that came along.
fn hear(life: &OwnedFd) -> Option<(Message, Option<OwnedFd>)> {
    let mut bytes = [0; SIZE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(life, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags).ok()?;
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Some((Message::from_bytes(&bytes[..received.bytes])?, fd))
}

/// Waits for pid 1 to be gone, and with it every process and mount of the jail.
pub(super) fn reap(init: Pid) -> io::Result<()> {
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

fn act(jail: &Jail, action: Action) -> io::Result<()> {
    match action {
        // Where nobody is the main process, all of them are.
        Action::SignalMain(number) if jail.hunt.ended.is_some() || (jail.tree && !jail.hunt.alone) => {
            signal_all(jail, number)
        }
        Action::SignalMain(number) => send(jail.main_fd.as_fd(), number),
        Action::SignalAll(number) => signal_all(jail, number),
        Action::Kill => kill(jail),
        // What is only said is said by the service.
        Action::TellLate
        | Action::TellDeaf
        | Action::TellReady
        | Action::TellRestart(_)
        | Action::TellGivenUp
        | Action::Build => Ok(()),
    }
}

pub(super) fn send(to: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    let Some(signal) = Signal::from_named_raw(number) else { return Ok(()) };
    match pidfd_send_signal(to, signal) {
        // It has just ended; we will hear of it.
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Ends every process of a jail: the kernel does it where pid 1 dies, and init where the socket to us does.
pub(super) fn kill(jail: &Jail) -> io::Result<()> {
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
fn signal_all(jail: &Jail, number: i32) -> io::Result<()> {
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
