//! What the kernel tells of a process: sysctl(3)'s kern.proc.

use std::io;

/// When it was started, in microseconds since 1970 (`ki_start`).
///
/// # Errors
/// ESRCH if there is no such process.
pub fn started(pid: i32) -> io::Result<u64> {
    let info = of(pid)?;
    let seconds = u64::try_from(info.ki_start.tv_sec).unwrap_or(0);
    Ok(seconds.saturating_mul(1_000_000).saturating_add(u64::try_from(info.ki_start.tv_usec).unwrap_or(0)))
}

/// The pid of its parent, its reaper if that has ended (`ki_ppid`).
///
/// # Errors
/// ESRCH if there is no such process.
pub fn parent(pid: i32) -> io::Result<i32> {
    Ok(of(pid)?.ki_ppid)
}

/// `sysctl({CTL_KERN, KERN_PROC, KERN_PROC_PID, pid})`.
///
/// sysctl(3).
fn of(pid: i32) -> io::Result<libc::kinfo_proc> {
    let name = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PID, pid];
    // SAFETY: all-zero is a valid `struct kinfo_proc`: numbers, arrays of them, and null pointers.
    let mut info: libc::kinfo_proc = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::kinfo_proc>();
    // SAFETY: `name` has four numbers, `info` and `length` live through the call and `length` says how big `info` is, so the
    // kernel writes no further; with a null `newp` nothing is set.
    let done = unsafe { libc::sysctl(name.as_ptr(), 4, (&raw mut info).cast(), &raw mut length, std::ptr::null(), 0) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    if length == 0 {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    Ok(info)
}
