//! keyctl(2), the one operation that a jail needs.

use std::io;

/// `keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL)`: a new empty session keyring, so that keys of the session which started us
/// (a login, a mount's credentials) can't be reached.
///
/// # Errors
/// ENOSYS where the kernel has no keyrings; EPERM under a container's seccomp filter, which then holds inside as well.
///
/// keyctl(2), session-keyring(7).
pub fn join_session_keyring() -> io::Result<()> {
    // SAFETY: a null name asks for an anonymous keyring; no memory is passed.
    let status =
        unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>()) };
    if status >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
