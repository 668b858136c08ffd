//! _exit(2), and what is asked of descriptors that are only numbers.

use std::io;
use std::os::fd::RawFd;

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
