//! nmount(2), unmount(2), getfsstat(2): mounts made, told apart by the number of their file system, and taken away.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::jail::{ERRMSG_LEN, Refused, part, text, until_nul};

/// Which mount: `f_fsid` of statfs(2), which no other mount has while this one is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fsid(pub [i32; 2]);

/// Flags of a mount; mount(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(i32);

impl Flags {
    /// None.
    pub const NONE: Self = Self(0);
    /// `MNT_RDONLY`.
    pub const RDONLY: Self = Self(libc::MNT_RDONLY);
    /// `MNT_NOEXEC`.
    pub const NOEXEC: Self = Self(libc::MNT_NOEXEC);
    /// `MNT_NOSUID`.
    pub const NOSUID: Self = Self(libc::MNT_NOSUID);
    /// `MNT_FORCE`: what is open to be written is closed.
    pub const FORCE: Self = Self(0x0008_0000);
    /// `MNT_UPDATE`: changes a mount that is there.
    pub const UPDATE: Self = Self(0x0001_0000);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A mounted file system, as statfs(2) tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Its number.
    pub fsid: Fsid,
    /// Its type: `nullfs`.
    pub kind: String,
    /// What is mounted: `f_mntfromname`.
    pub from: String,
    /// Where: `f_mntonname`.
    pub on: String,
}

/// `int nmount(struct iovec *iov, unsigned int niov, int flags)`: options are pairs, "" for one without a value.
///
/// # Errors
/// EPERM, EINVAL, EBUSY, ENOTDIR, EDEADLK and the others of nmount(2), with the kernel's words.
///
/// nmount(2), mount(8).
pub fn nmount(options: &[(&CStr, &CStr)], flags: Flags) -> Result<(), Refused> {
    let mut errmsg = [0u8; ERRMSG_LEN];
    let mut iov = Vec::with_capacity(options.len() * 2 + 2);
    for (name, value) in options {
        iov.push(text(name));
        iov.push(if value.is_empty() { part(std::ptr::null_mut::<u8>(), 0) } else { text(value) });
    }
    iov.extend([text(c"errmsg"), part(&raw mut errmsg, errmsg.len())]);
    let count = u32::try_from(iov.len()).unwrap_or(0);
    // SAFETY: each part names a string of the caller's or `errmsg`, with its length; the kernel writes to `errmsg` only.
    let status = unsafe { libc::nmount(iov.as_mut_ptr(), count, flags.0) };
    if status == 0 {
        return Ok(());
    }
    Err(Refused { cause: io::Error::last_os_error(), message: until_nul(&errmsg) })
}

/// `int unmount("FSID:n:n", MNT_BYFSID | MNT_FORCE?)`: no path is looked up, so nobody can lead it to another mount.
///
/// # Errors
/// EBUSY while something on it is used and `force` is not set; ENOENT where there is no such mount any more.
///
/// unmount(2).
pub fn unmount(Fsid([one, two]): Fsid, force: bool) -> io::Result<()> {
    let name = CString::new(format!("FSID:{one}:{two}")).map_err(|_| io::ErrorKind::InvalidInput)?;
    let flags = libc::MNT_BYFSID | if force { libc::MNT_FORCE } else { 0 };
    // SAFETY: `name` lives through the call.
    let status = unsafe { libc::unmount(name.as_ptr(), flags) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// All-zero, for the kernel to write to.
fn empty() -> libc::statfs {
    // SAFETY: a structure of numbers and arrays of them, for which all-zero is a value.
    unsafe { std::mem::zeroed() }
}

fn string(bytes: &[libc::c_char]) -> String {
    let bytes: Vec<u8> = bytes.iter().map(|byte| byte.cast_unsigned()).collect();
    until_nul(&bytes)
}

fn mounted(stat: &libc::statfs) -> Mounted {
    // SAFETY: `fsid_t` is a structure of this one array, which the libc crate keeps to itself.
    let fsid = unsafe { (&raw const stat.f_fsid).cast::<[i32; 2]>().read() };
    Mounted {
        fsid: Fsid(fsid),
        kind: string(&stat.f_fstypename),
        from: string(&stat.f_mntfromname),
        on: string(&stat.f_mntonname),
    }
}

/// `int fstatfs(int fd, struct statfs *buf)`: the mount that a file is on.
///
/// fstatfs(2).
pub fn fstatfs<Fd: AsFd>(fd: Fd) -> io::Result<Mounted> {
    let mut stat = empty();
    // SAFETY: the kernel writes one structure to `stat`, which lives through the call.
    let status = unsafe { libc::fstatfs(fd.as_fd().as_raw_fd(), &raw mut stat) };
    if status == 0 { Ok(mounted(&stat)) } else { Err(io::Error::last_os_error()) }
}

/// `int getfsstat(struct statfs *buf, long bufsize, MNT_NOWAIT)`: all mounts that the caller may see, oldest first. No file
/// system is asked for anything, so one that hangs does not hold us.
///
/// getfsstat(2).
pub fn getfsstat() -> io::Result<Vec<Mounted>> {
    let mut room = 32usize;
    loop {
        let mut stats = vec![empty(); room];
        let bytes = libc::c_long::try_from(room * size_of::<libc::statfs>()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        // SAFETY: the kernel writes whole structures and no more than fit into `bytes`.
        let count = unsafe { libc::getfsstat(stats.as_mut_ptr(), bytes, libc::MNT_NOWAIT) };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        // A full buffer may have left some out.
        if count < room {
            return Ok(stats[..count].iter().map(mounted).collect());
        }
        room *= 2;
    }
}
