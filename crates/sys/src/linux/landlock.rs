//! landlock(7): rules that a process puts upon itself and all that descend from it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// What may be done to files; `LANDLOCK_ACCESS_FS_*` of linux/landlock.h.
pub mod access {
    /// Executing a file.
    pub const EXECUTE: u64 = 1;
    /// Writing to a file.
    pub const WRITE_FILE: u64 = 1 << 1;
    /// Reading a file.
    pub const READ_FILE: u64 = 1 << 2;
    /// Listing a directory.
    pub const READ_DIR: u64 = 1 << 3;
    /// Removing and making what is in a directory, device nodes left out.
    pub const CHANGE_DIR: u64 = 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 12;
    /// Making device nodes.
    pub const MAKE_DEVICE: u64 = 1 << 6 | 1 << 11;
    /// Renaming and linking from one directory into another; ABI 2.
    pub const REFER: u64 = 1 << 13;
    /// truncate(2); ABI 3.
    pub const TRUNCATE: u64 = 1 << 14;
    /// ioctl(2) of a device; ABI 5.
    pub const IOCTL_DEV: u64 = 1 << 15;
    /// All that have a meaning for something that is no directory.
    pub const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

    /// All that a kernel of this ABI knows of these.
    #[must_use]
    pub const fn known(abi: u32) -> u64 {
        let first = EXECUTE | WRITE_FILE | READ_FILE | READ_DIR | CHANGE_DIR | MAKE_DEVICE;
        let refer = if abi >= 2 { REFER } else { 0 };
        let truncate = if abi >= 3 { TRUNCATE } else { 0 };
        let ioctl = if abi >= 5 { IOCTL_DEV } else { 0 };
        first | refer | truncate | ioctl
    }
}

/// `LANDLOCK_ACCESS_NET_BIND_TCP`; ABI 4.
pub const BIND_TCP: u64 = 1;
/// `LANDLOCK_ACCESS_NET_CONNECT_TCP`; ABI 4.
pub const CONNECT_TCP: u64 = 1 << 1;
/// `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET`; ABI 6.
pub const SCOPE_ABSTRACT_UNIX_SOCKET: u64 = 1;
/// `LANDLOCK_SCOPE_SIGNAL`; ABI 6.
pub const SCOPE_SIGNAL: u64 = 1 << 1;

/// `struct landlock_ruleset_attr`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Handled {
    /// Which of [`access`] are denied unless a rule allows them.
    pub access_fs: u64,
    /// Which of [`BIND_TCP`] and [`CONNECT_TCP`] are.
    pub access_net: u64,
    /// What ends at the border.
    pub scoped: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneath {
    allowed_access: u64,
    parent_fd: RawFd,
}

/// `struct landlock_net_port_attr`.
#[repr(C)]
struct NetPort {
    allowed_access: u64,
    port: u64,
}

const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: u32 = 1;
const RULE_NET_PORT: u32 = 2;

/// `landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION)`: which ABI the kernel has; 0 without Landlock.
#[must_use]
pub fn abi() -> u32 {
    let null = std::ptr::null::<Handled>();
    // SAFETY: with this flag the kernel looks at no memory.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, null, 0_usize, CREATE_RULESET_VERSION) };
    u32::try_from(abi).unwrap_or(0)
}

/// Rules, not in force yet.
#[derive(Debug)]
pub struct Ruleset(OwnedFd);

/// What [`Ruleset::create`] made, from another process that was handed it. That it is one the kernel looks at when it is used.
impl From<OwnedFd> for Ruleset {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl AsFd for Ruleset {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Ruleset {
    /// `landlock_create_ruleset(&attr, size, 0)`, close-on-exec. The attribute is passed as short as this kernel has it.
    ///
    /// # Errors
    /// ENOSYS or EOPNOTSUPP without Landlock; EINVAL for what the kernel does not know; ENOMSG if nothing is handled.
    ///
    /// landlock_create_ruleset(2).
    pub fn create(handled: Handled) -> io::Result<Self> {
        let size: usize = match handled {
            Handled { access_net: 0, scoped: 0, .. } => 8,
            Handled { scoped: 0, .. } => 16,
            Handled { .. } => 24,
        };
        // SAFETY: `handled` lives through the call and has at least `size` bytes, which the kernel only reads.
        let fd = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const handled, size, 0_u32) };
        match RawFd::try_from(fd) {
            // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
            Ok(fd) if fd >= 0 => Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) })),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// `landlock_add_rule(fd, LANDLOCK_RULE_PATH_BENEATH, ...)`: allows `access` on what `path` is, and on all below it.
    ///
    /// # Errors
    /// EINVAL for an access that is not handled, or that has no meaning for something that is no directory; EBADFD where `path`
    /// is in a file system that can't have rules.
    ///
    /// landlock_add_rule(2).
    pub fn allow_path<Fd: AsFd>(&self, path: Fd, access: u64) -> io::Result<()> {
        let rule = PathBeneath { allowed_access: access, parent_fd: path.as_fd().as_raw_fd() };
        // SAFETY: `rule` is a `struct landlock_path_beneath_attr` that lives through the call; the kernel only reads it.
        let status = unsafe {
            libc::syscall(libc::SYS_landlock_add_rule, self.0.as_raw_fd(), RULE_PATH_BENEATH, &raw const rule, 0_u32)
        };
        if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// `landlock_add_rule(fd, LANDLOCK_RULE_NET_PORT, ...)`: allows [`BIND_TCP`] or [`CONNECT_TCP`] with this port.
    ///
    /// # Errors
    /// EINVAL for an access that is not handled.
    ///
    /// landlock_add_rule(2).
    pub fn allow_port(&self, port: u16, access: u64) -> io::Result<()> {
        let rule = NetPort { allowed_access: access, port: u64::from(port) };
        // SAFETY: `rule` is a `struct landlock_net_port_attr` that lives through the call; the kernel only reads it.
        let status = unsafe {
            libc::syscall(libc::SYS_landlock_add_rule, self.0.as_raw_fd(), RULE_NET_PORT, &raw const rule, 0_u32)
        };
        if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// `landlock_restrict_self(fd, 0)`: in force from now on for this process and all that descend from it. no_new_privs must
    /// be set.
    ///
    /// # Errors
    /// EPERM without no_new_privs; E2BIG after sixteen of them.
    ///
    /// landlock_restrict_self(2).
    pub fn restrict_self(&self) -> io::Result<()> {
        // SAFETY: takes numbers only.
        let status = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.0.as_raw_fd(), 0_u32) };
        if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}
