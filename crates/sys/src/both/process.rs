//! _exit(2), and what is asked of descriptors that are only numbers.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

/// `void _exit(int status)`: ends the process without running anything that atexit(3) knows, which belongs to the
/// parent.
///
/// _exit(2).
pub fn exit(status: i32) -> ! {
    // SAFETY: takes no memory of ours and does not return.
    unsafe { libc::_exit(status) }
}

/// `fcntl(fd, F_SETFD, 0)`: the descriptor stays open over execve(2).
///
/// # Errors
/// EBADF where it is not open.
///
/// fcntl(2).
pub fn keep_on_exec(fd: RawFd) -> io::Result<()> {
    // SAFETY: F_SETFD takes a number, and an fd that is not open is refused by EBADF.
    let status = unsafe { libc::fcntl(fd, libc::F_SETFD, 0) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `dup2(fd, number)`: the same under another number, which stays open over execve(2). What had that number is closed, so nothing
/// of ours may own it.
///
/// # Errors
/// EBADF where the number is no smaller than RLIMIT_NOFILE.
///
/// dup2(2).
pub fn dup_onto<Fd: AsFd>(fd: Fd, number: RawFd) -> io::Result<()> {
    // SAFETY: takes numbers only; the caller sees to it that `number` is none that is owned.
    let done = unsafe { libc::dup2(fd.as_fd().as_raw_fd(), number) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `fcntl(fd, F_GETFD)`: whether a descriptor is open and was so when this program started. Whatever we open ourselves is
/// close-on-exec, and nothing that is comes through execve(2).
///
/// fcntl(2).
#[must_use]
pub fn is_inherited(fd: RawFd) -> bool {
    // SAFETY: F_GETFD takes no memory, and an fd that is not open is refused by EBADF.
    unsafe { libc::fcntl(fd, libc::F_GETFD) == 0 }
}

/// `fstat(fd, &stat)`: whether a descriptor that was handed to us by number is a directory.
///
/// fstat(2).
#[must_use]
pub fn is_directory(fd: RawFd) -> bool {
    // SAFETY: all-zero is a valid `struct stat`.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one `struct stat`, which `stat` is, or refuses by EBADF an fd that is not open.
    let status = unsafe { libc::fstat(fd, &raw mut stat) };
    status == 0 && stat.st_mode & libc::S_IFMT == libc::S_IFDIR
}

/// `pid_t fork(void)`: none in the child.
///
/// # Errors
/// EAGAIN, ENOMEM.
///
/// fork(2).
pub fn fork() -> io::Result<Option<rustix::process::Pid>> {
    // SAFETY: the process has one thread (a rule of the project, see the crate's doc), so no lock is held by another, and the
    // child may go on with the whole program.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(rustix::process::Pid::from_raw(pid)),
    }
}

/// Closes what the caller has left open, from 3 on, but for those that are to stay: for a process that outlives the caller. What
/// this program has opened itself is close-on-exec, and stays open.
///
/// close(2).
pub fn close_inherited(keep: &[RawFd]) {
    // More descriptors than that nobody leaves open by mistake.
    for fd in 3..4096 {
        if is_inherited(fd) && !keep.contains(&fd) {
            // SAFETY: a descriptor without close-on-exec was opened by another program; nothing here owns it.
            unsafe { libc::close(fd) };
        }
    }
}

/// Whether we lead our group of processes: `getpgrp() == getpid()`. Of one outside of our pid namespace the number is 0.
///
/// getpgrp(2).
#[must_use]
pub fn leads_group() -> bool {
    // SAFETY: takes and touches nothing.
    let group = unsafe { libc::getpgrp() };
    // SAFETY: takes and touches nothing.
    group == unsafe { libc::getpid() }
}

/// Whether we lead our session: `getsid(0) == getpid()`; the same of its number.
///
/// getsid(2).
#[must_use]
pub fn leads_session() -> bool {
    // SAFETY: takes a number, and touches nothing.
    let session = unsafe { libc::getsid(0) };
    // SAFETY: takes and touches nothing.
    session == unsafe { libc::getpid() }
}
