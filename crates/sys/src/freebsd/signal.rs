//! Signals: blocked, taken one by one with their sender, and given back to a program that we start.

use std::io;

pub use crate::both::signal::{SignalSet, pending, set_mask};

/// Sent to a parent when a child ends; signal(3).
pub const SIGCHLD: i32 = libc::SIGCHLD;

/// A signal that was blocked and has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its number.
    pub signal: i32,
    /// Whether no process sent it: a key of the terminal, its size, its end.
    pub by_kernel: bool,
}

/// `SI_USER` and `SI_QUEUE`: kill(2) and sigqueue(2).
const SI_USER: i32 = 0x10001;
const SI_QUEUE: i32 = 0x10002;

/// `int sigtimedwait(set, &info, {0, 0})`: takes one of these that has come; none if none has.
///
/// sigtimedwait(2).
pub fn take(set: &SignalSet) -> io::Result<Option<Received>> {
    // SAFETY: all-zero is a value of this structure of numbers.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: all three live through the call; the kernel writes one `siginfo_t`.
    let signal = unsafe { libc::sigtimedwait(&raw const set.0, &raw mut info, &raw const now) };
    if signal < 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EINTR) => Ok(None),
            _ => Err(error),
        };
    }
    Ok(Some(Received { signal, by_kernel: !matches!(info.si_code, SI_USER | SI_QUEUE) }))
}

/// `sigaction(SIGXFSZ, {SIG_IGN})`: past RLIMIT_FSIZE write(2) says EFBIG, and the process goes on. [`all_default`] takes it back
/// for the program. SIGPIPE likewise: a child that has ended is no end of ours. And SIGCHLD as it was meant to be: where the caller ignores it, nobody would learn how children end.
///
/// setrlimit(2), sigaction(2).
pub fn prepare() -> io::Result<()> {
    // SAFETY: SIG_IGN runs no code of ours.
    let before = unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    if before == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: SIG_IGN runs no code of ours.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    // SAFETY: SIG_DFL runs no code of ours.
    let before = unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    if before == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `sigaction(n, {SIG_IGN})`.
pub fn ignore(signals: &[i32]) {
    for signal in signals {
        // SAFETY: SIG_IGN runs no code of ours; a number that is no signal is refused.
        unsafe { libc::signal(*signal, libc::SIG_IGN) };
    }
}

/// `sigaction(n, {a function that does nothing})`: of those that are blocked, so that it never runs. The kernel throws a signal
/// away that is ignored, blocked or not, and [`take`] would never see it: SIGHUP of whoever init(8), rc(8) or nohup(1) has
/// started, SIGINFO and SIGWINCH of everybody. [`all_default`] takes it back, and execve(2) does.
///
/// sigaction(2), sigtimedwait(2).
pub fn keep(signals: &[i32]) -> io::Result<()> {
    for signal in signals {
        // SAFETY: the function does nothing, so it may interrupt whatever runs.
        let before = unsafe { libc::signal(*signal, nothing as extern "C" fn(i32) as libc::sighandler_t) };
        if before == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

extern "C" fn nothing(_: i32) {}

/// `sigaction(n, {SIG_DFL})` for every signal, and an empty mask: what a program expects to start with. Ignored signals would be
/// inherited through execve(2).
pub fn all_default() -> io::Result<()> {
    for signal in 1..=128 {
        // SAFETY: SIG_DFL runs no code of ours; SIGKILL, SIGSTOP and numbers that are no signal are refused.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    set_mask(&SignalSet::empty()).map(drop)
}
