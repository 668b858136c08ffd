//! fork(2), ids, descriptors, and the title that ps(1) shows.

use std::ffi::CString;
use std::io;
use std::os::fd::RawFd;

use rustix::process::{Pid, WaitOptions, waitpid};

use super::jail::Jid;

pub use crate::both::process::{dup_onto, exit, is_directory, is_inherited, keep_on_exec};

// SAFETY: <sys/socket.h> declares it so.
unsafe extern "C" {
    #[link_name = "setfib"]
    fn libc_setfib(fib: libc::c_int) -> libc::c_int;
}

/// On which side of [`fork`] we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// In the caller, with the child's pid.
    Parent(Pid),
    /// In the child.
    Child,
}

/// `pid_t fork(void)`.
///
/// # Errors
/// EAGAIN, ENOMEM.
///
/// fork(2).
pub fn fork() -> io::Result<Side> {
    // SAFETY: the process has one thread (a rule of the project, see the crate's doc), so no lock is held by another, and the
    // child may go on with the whole program.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Pid::from_raw(pid).map_or(Side::Child, Side::Parent)),
    }
}

/// Has whoever inherits our orphans, init(8) as a rule, look for zombies: a child of a child of ours ends, and nothing else.
///
/// A reaper (procctl(2), `PROC_REAP_ACQUIRE`) that is killed keeps its zombies until its parent has waited for it: exit1 hands them to
/// their reaper, which it is itself. Then `proc_reap` calls `reaper_abandon_children`, which gives them to the next reaper with neither a
/// wakeup nor SIGCHLD, on 13.2 and in the source of what came later. If that is init(8), it sleeps on in wait(2).
///
/// # Errors
/// EAGAIN, ENOMEM.
pub fn wake_reaper() -> io::Result<()> {
    match fork()? {
        Side::Parent(pid) => Ok(waitpid(Some(pid), WaitOptions::empty()).map(drop)?),
        Side::Child => {
            // Whether it ends before us or after us: either is told.
            let _ = fork();
            exit(0)
        }
    }
}

/// `int close_range(u_int lowfd, u_int highfd, 0)` around those that are to stay: every other descriptor from 3 on is closed
/// now. `keep` is sorted.
///
/// close_range(2).
pub fn close_all_but(keep: &[RawFd]) -> io::Result<()> {
    let mut low = 3u32;
    let highs = keep.iter().filter_map(|fd| u32::try_from(*fd).ok()).filter(|fd| *fd >= 3);
    for high in highs.chain([u32::MAX]) {
        if low < high {
            // SAFETY: takes numbers only. Descriptors are closed under their owners: only a child that ends in execve(2) or
            // _exit(2) calls this, and drops nothing.
            let status = unsafe { libc::close_range(low, high - u32::from(high != u32::MAX), 0) };
            if status != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        low = high.saturating_add(1);
    }
    Ok(())
}

/// `int close(int fd)`, for a descriptor that was handed to us by number and that nothing of ours owns.
///
/// close(2).
pub fn close(fd: RawFd) {
    // SAFETY: by the rule above no owner closes it again.
    unsafe { libc::close(fd) };
}

/// `kill(-1, sig)`: every process that the caller may signal but itself; inside a jail those of the jail.
///
/// # Errors
/// ESRCH where there is none.
///
/// kill(2).
pub fn kill_all(signal: rustix::process::Signal) -> io::Result<()> {
    // SAFETY: takes numbers.
    let status = unsafe { libc::kill(-1, signal.as_raw()) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// setgroups(2), setresgid(2), setresuid(2): the first group goes into setgroups(2) as well, since before FreeBSD 15 that is
/// where the effective one lives.
///
/// # Errors
/// EPERM; EINVAL for more groups than kern.ngroups.
pub fn set_ids(groups: &[u32], gid: u32, uid: u32) -> io::Result<()> {
    let count = i32::try_from(groups.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `groups` has as many as `count` says.
    if unsafe { libc::setgroups(count, groups.as_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: takes numbers.
    if unsafe { libc::setresgid(gid, gid, gid) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: takes numbers.
    if unsafe { libc::setresuid(uid, uid, uid) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// `void setproctitle(const char *fmt, ...)`.
///
/// setproctitle(3).
pub fn setproctitle(title: &str) {
    let Ok(title) = CString::new(title) else { return };
    // SAFETY: the format takes one string, which lives through the call; `-` leaves the program's name out.
    unsafe { libc::setproctitle(c"-%s".as_ptr(), title.as_ptr()) };
}

/// `int setfib(int fib)`: the routing table of what the caller opens from now on.
///
/// setfib(2).
pub fn setfib(fib: i32) -> io::Result<()> {
    // SAFETY: takes a number.
    let status = unsafe { libc_setfib(fib) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `int cpuset_setaffinity(CPU_LEVEL_WHICH, CPU_WHICH_JAIL, jid, sizeof mask, &mask)`: the processors that a jail may run on, which
/// nobody in it can change.
///
/// # Errors
/// EDEADLK or EINVAL where none of them is left to it, or is not there; ESRCH where there is no such jail.
///
/// cpuset_setaffinity(2).
pub fn set_cpus(Jid(jid): Jid, cpus: &[usize]) -> io::Result<()> {
    // SAFETY: all-zero is a set with no processor in it.
    let mut mask: libc::cpuset_t = unsafe { std::mem::zeroed() };
    for cpu in cpus {
        if *cpu >= size_of::<libc::cpuset_t>() * 8 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: the number is within the mask.
        unsafe { libc::CPU_SET(*cpu, &mut mask) };
    }
    // SAFETY: `mask` lives through the call and is as long as it says.
    let status = unsafe {
        libc::cpuset_setaffinity(
            libc::CPU_LEVEL_WHICH,
            libc::CPU_WHICH_JAIL,
            libc::id_t::from(jid),
            size_of::<libc::cpuset_t>(),
            &raw const mask,
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `procctl(P_PID, getpid(), PROC_TRACE_CTL, &PROC_TRACE_CTL_DISABLE_EXEC)`: nobody traces us, nor what we execute. rustix hands
/// the kernel the number in the pointer's place, which is EFAULT.
///
/// procctl(2).
pub fn refuse_tracing() -> io::Result<()> {
    let mut what = libc::PROC_TRACE_CTL_DISABLE_EXEC;
    // SAFETY: takes nothing.
    let own = unsafe { libc::getpid() };
    // SAFETY: the kernel reads one int, which lives through the call.
    let done =
        unsafe { libc::procctl(libc::P_PID, libc::id_t::from(own), libc::PROC_TRACE_CTL, (&raw mut what).cast()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
