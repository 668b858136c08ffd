//! mount_setattr(2).

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// What to set; bits of `MOUNT_ATTR_*`. Of a mount of the host's nothing is ever cleared: a clear could lift a restriction that the host put
/// on the mount that was cloned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MountAttr(u64);

impl MountAttr {
    /// `MOUNT_ATTR_RDONLY`.
    pub const RDONLY: Self = Self(libc::MOUNT_ATTR_RDONLY);
    /// `MOUNT_ATTR_NOSUID`.
    pub const NOSUID: Self = Self(libc::MOUNT_ATTR_NOSUID);
    /// `MOUNT_ATTR_NODEV`.
    pub const NODEV: Self = Self(libc::MOUNT_ATTR_NODEV);
    /// `MOUNT_ATTR_NOEXEC`.
    pub const NOEXEC: Self = Self(libc::MOUNT_ATTR_NOEXEC);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// `int mount_setattr(int dirfd, const char *path, unsigned int flags, struct mount_attr *attr, size_t size)`
///
/// Sets `attr` and private propagation on a mount, and with `recursive` on all below it. An empty `path` means `dirfd`
/// itself, which may be a detached mount of open_tree(2) or fsmount(2).
///
/// # Errors
/// ENOSYS before Linux 5.12; EINVAL for a path that is no mount; EPERM without CAP_SYS_ADMIN.
///
/// mount_setattr(2), mount_namespaces(7).
pub fn mount_setattr<Fd: AsFd>(dirfd: Fd, path: &CStr, recursive: bool, attr: MountAttr) -> io::Result<()> {
    let attr = libc::mount_attr { attr_set: attr.0, attr_clr: 0, propagation: libc::MS_PRIVATE, userns_fd: 0 };
    setattr(dirfd, path, recursive, attr)
}

/// The same call, which takes `MOUNT_ATTR_RDONLY` off a mount: one that is not attached, of a file system in memory of ours.
///
/// # Errors
/// EPERM if the attribute is locked.
pub fn mount_set_writable<Fd: AsFd>(detached: Fd) -> io::Result<()> {
    let attr = libc::mount_attr {
        attr_set: 0,
        attr_clr: libc::MOUNT_ATTR_RDONLY,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    setattr(detached, c"", false, attr)
}

fn setattr<Fd: AsFd>(dirfd: Fd, path: &CStr, recursive: bool, attr: libc::mount_attr) -> io::Result<()> {
    let mut flags = if path.is_empty() { libc::AT_EMPTY_PATH } else { 0 };
    if recursive {
        flags |= libc::AT_RECURSIVE;
    }
    // SAFETY: `path` is NUL-terminated by its type and `attr` is a `struct mount_attr` of the size given, both borrowed
    // for the whole call; the kernel only reads them.
    let status = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            dirfd.as_fd().as_raw_fd(),
            path.as_ptr(),
            flags,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
