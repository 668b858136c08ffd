//! clone3(2), clone(2), close_range(2).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

pub use crate::both::process::{dup_onto, exit, is_directory, is_inherited, keep_on_exec, leads_group, leads_session};

/// The namespaces a child gets of its own; namespaces(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloneFlags(u64);

#[allow(clippy::cast_sign_loss, reason = "the constants are positive bit masks")]
impl CloneFlags {
    /// None.
    pub const NONE: Self = Self(0);
    /// `CLONE_NEWNS`.
    pub const NEWNS: Self = Self(libc::CLONE_NEWNS as u64);
    /// `CLONE_NEWPID`.
    pub const NEWPID: Self = Self(libc::CLONE_NEWPID as u64);
    /// `CLONE_NEWIPC`.
    pub const NEWIPC: Self = Self(libc::CLONE_NEWIPC as u64);
    /// `CLONE_NEWUTS`.
    pub const NEWUTS: Self = Self(libc::CLONE_NEWUTS as u64);
    /// `CLONE_NEWNET`.
    pub const NEWNET: Self = Self(libc::CLONE_NEWNET as u64);

    /// `CLONE_FS`: no namespace. To clone(2): root, working directory and umask are one for both; to unshare(2): no more.
    pub const FS: Self = Self(libc::CLONE_FS as u64);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both have.
    #[must_use]
    pub const fn only(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Without those of the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// On which side of [`clone3`] we are.
#[derive(Debug)]
pub enum Side {
    /// In the caller.
    Parent {
        /// The child's pid.
        pid: rustix::process::Pid,
        /// pidfd_open(2)'s kind of descriptor for it, close-on-exec.
        pidfd: OwnedFd,
    },
    /// In the child.
    Child,
}

/// `long clone3(struct clone_args *cl_args, size_t size)`, used as fork(2) is: the child runs on with a copy of the
/// memory, and the parent gets SIGCHLD when it ends.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN or where a container refuses namespaces; ENOSPC where a limit of
/// /proc/sys/user/max_*_namespaces is reached; ENOSYS before Linux 5.3 or under an old seccomp filter.
///
/// clone(2), namespaces(7).
pub fn clone3(flags: CloneFlags) -> io::Result<Side> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is a valid `struct clone_args`: no flag, no stack, no signal.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    #[allow(clippy::cast_sign_loss, reason = "positive constants")]
    {
        args.flags = flags.0 | libc::CLONE_PIDFD as u64;
        args.exit_signal = libc::SIGCHLD as u64;
    }
    args.pidfd = (&raw mut pidfd) as u64;
    // SAFETY: no CLONE_VM, so the child has its own copy of everything and no stack is shared; the process has one
    // thread (a rule of the project, see the crate's doc), so no lock is held by another; `pidfd` outlives the call.
    let mut pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    if pid == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS) {
        // Containers say so, since their filters can't see its flags; those of clone(2) they see. On all machines that we are
        // built for the flags come first, and the place for the pidfd third.
        let (flags, none) = (args.flags | args.exit_signal, 0_u64);
        // SAFETY: as above.
        pid = unsafe { libc::syscall(libc::SYS_clone, flags, none, &raw mut pidfd, none, none) };
    }
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Side::Child),
        #[allow(clippy::cast_possible_truncation, reason = "a pid_t came back in a long")]
        pid => {
            let pid = rustix::process::Pid::from_raw(pid as i32).ok_or_else(|| io::Error::other("clone3: no pid"))?;
            // SAFETY: the kernel put a new descriptor there that nothing else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Side::Parent { pid, pidfd })
        }
    }
}

/// `int unshare(int flags)`: the calling process gets these namespaces of its own; `CLONE_NEWPID` would be its children's.
///
/// # Errors
/// As [`clone3`].
///
/// unshare(2), namespaces(7).
pub fn unshare(flags: CloneFlags) -> io::Result<()> {
    #[allow(clippy::cast_possible_truncation, reason = "the constants come from a c_int")]
    // SAFETY: takes a number. The namespaces in `CloneFlags` share no memory and no descriptors between threads, and the
    // process has one thread (a rule of the project, see the crate's doc).
    let status = unsafe { libc::unshare(flags.0 as libc::c_int) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Memory for the stack of [`vfork`]'s child; made beforehand, so that the call itself allocates nothing. Below it is no guard page.
#[derive(Debug)]
pub struct Stack(Box<[MaybeUninit<u128>]>);

impl Stack {
    /// 64 KiB: several times what a few system calls and a message take. Only what is used of it costs memory.
    #[must_use]
    pub fn new() -> Self {
        Self(Box::new_uninit_slice(4096))
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self::new()
    }
}

/// `clone(child, stack, CLONE_VM | CLONE_VFORK | SIGCHLD, ...)`: a child that runs `child` in our memory, on a stack of its own,
/// while we stand still until it has called execve(2) or ended. No page of ours is copied and none is faulted in again, which
/// is most of what fork(2) costs. `child` returns only to end with that status.
///
/// # Errors
/// EAGAIN and the others of clone(2).
///
/// clone(2), vfork(2).
pub fn vfork(stack: &mut Stack, flags: CloneFlags, child: &mut dyn FnMut() -> i32) -> io::Result<rustix::process::Pid> {
    extern "C" fn call(child: *mut libc::c_void) -> libc::c_int {
        // SAFETY: `child` is the pointer that `vfork` passes below, to a reference that it holds while we run.
        let child = unsafe { &mut *child.cast::<&mut dyn FnMut() -> i32>() };
        child()
    }
    let mut child: &mut dyn FnMut() -> i32 = child;
    let top = stack.0.as_mut_ptr_range().end;
    #[allow(clippy::cast_possible_truncation, reason = "the constants come from a c_int")]
    let flags = flags.0 as libc::c_int | libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: `top` is the aligned end of memory that only the child uses, and lives through the call; with CLONE_VFORK the
    // kernel keeps us still until the child no longer runs in our memory, so nothing of ours is used from two sides; the
    // process has one thread (a rule of the project, see the crate's doc).
    let pid = unsafe { libc::clone(call, top.cast(), flags, (&raw mut child).cast()) };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    rustix::process::Pid::from_raw(pid).ok_or_else(|| io::Error::other("clone: no pid"))
}

/// What [`close_range`] does to the descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseRange {
    /// Closes them now. Only for a process that is about to do nothing but wait or exit: no owned descriptor of Rust's
    /// may be used or dropped afterwards.
    Now,
    /// Marks them close-on-exec: `CLOSE_RANGE_CLOEXEC`, Linux 5.11.
    OnExec,
}

/// `int close_range(unsigned int first, unsigned int last, int flags)`, from `first` to the last there is.
///
/// # Errors
/// EINVAL where the kernel does not know the flag; ENOSYS before Linux 5.9.
///
/// close_range(2).
pub fn close_range(first: u32, what: CloseRange) -> io::Result<()> {
    let flags = match what {
        CloseRange::Now => 0,
        CloseRange::OnExec => libc::CLOSE_RANGE_CLOEXEC,
    };
    // SAFETY: takes numbers only. With `Now` descriptors are closed under their owners, who by the rule written at
    // `CloseRange::Now` do not use them again.
    let status = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
