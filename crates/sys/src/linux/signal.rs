//! Signals: which are blocked, which are read as data (signalfd(2)), and what a program that we start finds.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

pub use crate::both::signal::{SignalSet, pending, set_mask};

/// Sent to a parent when a child ends; signal(7).
pub const SIGCHLD: i32 = libc::SIGCHLD;

/// `int signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK)`. The signals must be blocked.
///
/// signalfd(2).
pub fn signalfd(set: &SignalSet) -> io::Result<OwnedFd> {
    // SAFETY: `set` lives through the call; -1 asks for a new descriptor.
    let fd = unsafe { libc::signalfd(-1, &raw const set.0, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made it, nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A signal read from a signalfd(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its number.
    pub signal: i32,
    /// Whether the kernel sent it (`SI_KERNEL`: a key of the terminal, its size, its end) and not a process.
    pub by_kernel: bool,
}

/// Reads the next signal from a signalfd(2); none if there is none now.
pub fn read_signalfd<Fd: AsFd>(fd: Fd) -> io::Result<Option<Received>> {
    // SAFETY: all-zero is a valid `struct signalfd_siginfo`.
    let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
    // SAFETY: the buffer is one `struct signalfd_siginfo` long, and the kernel writes whole ones only.
    let count =
        unsafe { libc::read(fd.as_fd().as_raw_fd(), (&raw mut info).cast(), size_of::<libc::signalfd_siginfo>()) };
    if count < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
    }
    let signal = i32::try_from(info.ssi_signo).unwrap_or_default();
    Ok(Some(Received { signal, by_kernel: info.ssi_code == libc::SI_KERNEL }))
}

extern "C" fn nothing(_signal: libc::c_int) {}

/// `sigaction(signal, {handler that does nothing})`: the signal interrupts ppoll(2) and has no other effect. Pid 1 of a
/// pid namespace gets no signal that it has no handler for; pid_namespaces(7).
pub fn interrupts_only(signal: i32) -> io::Result<()> {
    // SAFETY: all-zero is a valid `struct sigaction`: default action, empty mask, no flag.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the handler touches nothing, so it may run at any moment; `action` lives through the call.
    let status = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `signal(n, SIG_IGN)`, or SIG_DFL again. An ignored signal stays so through execve(2).
///
/// # Errors
/// EINVAL for a signal that there is not, or that can't be ignored.
///
/// signal(2).
pub fn ignore(signal: i32, ignored: bool) -> io::Result<()> {
    let action = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: neither of them runs code of ours.
    if unsafe { libc::signal(signal, action) } == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `rt_sigaction(n, {SIG_DFL})` for every signal, and an empty mask: what a program expects to start with. Ignored signals
/// would be inherited through execve(2): SIGPIPE, which Rust's runtime ignores, and what nohup(1) or a shell had ignored.
/// By the bare system call, since libc's sigaction(3) leaves out the two that it uses itself.
pub fn all_default() -> io::Result<()> {
    // The kernel's own structure: handler, flags, on some machines a restorer, mask. All zero is SIG_DFL.
    let default = [0u64; 4];
    for signal in 1..=64 {
        // SAFETY: the kernel reads at most 32 bytes, and SIG_DFL runs no code of ours; SIGKILL and SIGSTOP are refused by
        // EINVAL and stay as they are.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null_mut::<libc::c_void>(),
                8usize,
            )
        };
    }
    set_mask(&SignalSet::empty()).map(drop)
}

/// `int ppoll(struct pollfd *fds, 1, NULL, mask)`: waits until `fd` is readable, hung up, or a signal outside of `mask`
/// comes; whether it was `fd`.
///
/// ppoll(2).
pub fn ppoll_one<Fd: AsFd>(fd: Fd, mask: &SignalSet) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd: fd.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, as the count says; no timeout; `mask` lives through the call.
    let count = unsafe { libc::ppoll(&raw mut poll, 1, std::ptr::null(), &raw const mask.0) };
    if count >= 0 {
        return Ok(count > 0);
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::Interrupted { Ok(false) } else { Err(error) }
}
