//! The loopback interface of a new network namespace.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// `ioctl(fd, SIOCSIFFLAGS, {"lo", IFF_UP | IFF_RUNNING})`: brings up the loopback interface of the network namespace that
/// `socket` was made in; the kernel gives it 127.0.0.1 and ::1 itself.
///
/// netdevice(7).
pub fn loopback_up<Fd: AsFd>(socket: Fd) -> io::Result<()> {
    // SAFETY: all-zero is a valid `struct ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes_with_nul()) {
        *to = from.cast_signed() as libc::c_char;
    }
    #[allow(clippy::cast_possible_truncation, reason = "the two flags fit a short")]
    {
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    }
    // SAFETY: SIOCSIFFLAGS reads one `struct ifreq`, which `request` is, with its name NUL-terminated.
    let status = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw mut request) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
