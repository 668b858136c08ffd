//! unshare(2), for the user namespace of a caller without privilege.

use std::io;

/// `int unshare(int flags)` with `CLONE_NEWUSER | CLONE_NEWNS`
///
/// From now on this process has every capability over what it makes itself, and none over the host; it sees a copy of the
/// host's mounts. A descriptor of a directory that was opened before is on the host's mounts still, and can't be cloned.
///
/// # Errors
/// EPERM where a setting, a container's filter or a chroot(2) forbids it; ENOSPC where `user.max_user_namespaces` or
/// `user.max_mnt_namespaces` is reached; EINVAL with more than one thread, or without such namespaces in the kernel.
///
/// unshare(2), user_namespaces(7).
pub fn unshare_user() -> io::Result<()> {
    // SAFETY: no memory is touched; the process has one thread (a rule of the project, see the crate's doc), so no other one
    // is left with a different view of the files.
    let status = unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
