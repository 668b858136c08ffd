//! Sets of signals, and which of them are blocked.

use std::io;

/// A set of signals; sigsetops(3).
#[derive(Clone, Copy)]
pub struct SignalSet(pub(crate) libc::sigset_t);

impl std::fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignalSet")
    }
}

impl SignalSet {
    /// With no signal in it.
    #[must_use]
    pub fn empty() -> Self {
        // SAFETY: all-zero is a valid sigset_t, on Linux and on FreeBSD: no signal.
        Self(unsafe { std::mem::zeroed() })
    }

    /// With these in it.
    #[must_use]
    pub fn of(signals: &[i32]) -> Self {
        let mut set = Self::empty();
        for signal in signals {
            // SAFETY: `set` is an initialised set; a number that is no signal is refused by EINVAL and changes nothing.
            unsafe { libc::sigaddset(&raw mut set.0, *signal) };
        }
        set
    }

    /// Whether this one is in it.
    #[must_use]
    pub fn has(&self, signal: i32) -> bool {
        // SAFETY: the set is initialised; a number that is no signal is refused by EINVAL.
        unsafe { libc::sigismember(&raw const self.0, signal) == 1 }
    }
}

/// `int sigpending(sigset_t *set)`: those that have come while they are blocked, and wait.
///
/// sigpending(2).
pub fn pending() -> io::Result<SignalSet> {
    let mut set = SignalSet::empty();
    // SAFETY: the kernel writes to `set`, which lives through the call.
    let status = unsafe { libc::sigpending(&raw mut set.0) };
    if status == 0 { Ok(set) } else { Err(io::Error::last_os_error()) }
}

/// `sigprocmask(SIG_SETMASK, set, &old)`: exactly these are blocked from now on; the set before comes back.
///
/// sigprocmask(2).
pub fn set_mask(set: &SignalSet) -> io::Result<SignalSet> {
    let mut old = SignalSet::empty();
    // SAFETY: both point to sets that live through the call.
    let status = unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const set.0, &raw mut old.0) };
    if status == 0 { Ok(old) } else { Err(io::Error::last_os_error()) }
}
