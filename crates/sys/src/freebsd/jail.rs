//! jail(2): jails made, found and removed, with the kernel's own words on what it refused.
//!
//! Parameters are pairs of a name and a value, which is an `int`, a string or an array, by the type that
//! security.jail.param has for the name; [`super::sysctl::jail_param`] tells it.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};

/// How long the kernel's words on a failure may be; jail(8) takes as much.
pub const ERRMSG_LEN: usize = 256;

/// What a parameter is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A boolean: its name says it all, `persist` or `nopersist`.
    Flag,
    /// A number, or one of [`sys`].
    Int(i32),
    /// A string.
    Text(CString),
    /// Whatever else, as the kernel takes it: addresses one after another.
    Bytes(Vec<u8>),
}

/// The values of `host`, `ip4`, `ip6`, `vnet`, `sysvmsg` and their kin.
pub mod sys {
    /// `JAIL_SYS_DISABLE`.
    pub const DISABLE: i32 = libc::JAIL_SYS_DISABLE;
    /// `JAIL_SYS_NEW`.
    pub const NEW: i32 = libc::JAIL_SYS_NEW;
    /// `JAIL_SYS_INHERIT`.
    pub const INHERIT: i32 = libc::JAIL_SYS_INHERIT;
}

/// The number of a jail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jid(pub i32);

/// What [`Params::set`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// `JAIL_CREATE | JAIL_ATTACH`: a new jail whose first process is the caller, which needs no `persist`.
    CreateAttach,
    /// `JAIL_UPDATE`.
    Update,
}

/// Parameters in the form that jail_set(2) takes; made before fork(2), so that the child allocates nothing.
#[derive(Debug)]
pub struct Params {
    /// Keeps what `iov` points to.
    values: Vec<(CString, Value)>,
    iov: Vec<libc::iovec>,
    /// At the end of `iov`; boxed, so that it stays where `iov` says.
    errmsg: Box<[u8; ERRMSG_LEN]>,
}

/// A call that was refused.
#[derive(Debug)]
pub struct Refused {
    /// errno(2).
    pub cause: io::Error,
    /// What the kernel says to it; often nothing.
    pub message: String,
}

impl From<Refused> for io::Error {
    /// The kernel's words, where it has some.
    fn from(refused: Refused) -> Self {
        if refused.message.is_empty() {
            return refused.cause;
        }
        Self::new(refused.cause.kind(), format!("{} ({})", refused.message, refused.cause))
    }
}

/// The kernel's longest path and name: MAXPATHLEN.
const NAME_LEN: usize = 1024;

/// A piece of memory as writev(2) names it.
pub(super) fn part<T>(memory: *mut T, length: usize) -> libc::iovec {
    libc::iovec { iov_base: memory.cast(), iov_len: length }
}

/// The same for what the kernel only reads.
pub(super) fn read<T>(memory: *const T, length: usize) -> libc::iovec {
    part(memory.cast_mut(), length)
}

/// A string with its NUL, which the kernel only reads.
pub(super) fn text(text: &CStr) -> libc::iovec {
    read(text.as_ptr(), text.to_bytes_with_nul().len())
}

impl Params {
    /// From pairs of name and value.
    #[must_use]
    pub fn new(values: Vec<(CString, Value)>) -> Self {
        let mut params = Self { values, iov: Vec::new(), errmsg: Box::new([0; ERRMSG_LEN]) };
        for (name, value) in &params.values {
            params.iov.push(text(name));
            params.iov.push(match value {
                Value::Flag => read(std::ptr::null::<u8>(), 0),
                Value::Int(number) => read(&raw const *number, size_of::<i32>()),
                Value::Text(value) => text(value),
                Value::Bytes(bytes) => read(bytes.as_ptr(), bytes.len()),
            });
        }
        params.iov.push(text(c"errmsg"));
        params.iov.push(part(params.errmsg.as_mut_ptr(), ERRMSG_LEN));
        params
    }

    /// `int jail_set(struct iovec *iov, unsigned int niov, int flags)`: the jail's number. Allocates nothing; what the kernel
    /// says to a failure is in [`Params::message`].
    ///
    /// # Errors
    /// EPERM where the caller is no root, or has a directory open; EEXIST where the name is taken; EINVAL for a parameter
    /// that the kernel does not know, or a value that it does not take.
    ///
    /// jail_set(2).
    pub fn set(&mut self, what: Set) -> io::Result<Jid> {
        let flags = match what {
            Set::CreateAttach => libc::JAIL_CREATE | libc::JAIL_ATTACH,
            Set::Update => libc::JAIL_UPDATE,
        };
        self.errmsg.fill(0);
        let count = u32::try_from(self.iov.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: each part of `iov` names memory that `values` and `errmsg` hold, unmoved while `self` lives: the heap of
        // strings and vectors, and numbers in a vector that no one changes. The kernel writes to `errmsg` only.
        let jid = unsafe { libc::jail_set(self.iov.as_mut_ptr(), count, flags) };
        if jid < 0 { Err(io::Error::last_os_error()) } else { Ok(Jid(jid)) }
    }

    /// What the kernel said to the last failure, without its NUL; empty for nothing.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        self.errmsg.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

/// What can be asked of a jail that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub jid: Jid,
    /// Its name.
    pub name: String,
    /// Its root on the host.
    pub path: String,
    /// Whether it was removed and only waits for its last sockets to go.
    pub dying: bool,
}

/// How a jail is looked for.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// By name.
    Name(&'a CStr),
    /// By number.
    Jid(Jid),
    /// The first whose number is greater than this one: `lastjid`.
    After(Jid),
}

/// `int jail_get(struct iovec *iov, unsigned int niov, JAIL_DYING)`: a jail, dying ones included; none if there is none.
///
/// # Errors
/// EPERM, EINVAL, with the kernel's words.
///
/// jail_get(2).
pub fn jail_get(by: By<'_>) -> Result<Option<Found>, Refused> {
    let mut name = [0u8; NAME_LEN];
    let mut path = [0u8; NAME_LEN];
    let mut errmsg = [0u8; ERRMSG_LEN];
    let (mut jid, mut dying) = (0i32, 0i32);
    let mut last = match by {
        By::After(Jid(asked)) => asked,
        By::Name(_) | By::Jid(_) => 0,
    };
    let mut name_len = name.len();
    let mut iov = Vec::with_capacity(12);
    // The key is read, all else is written.
    match by {
        By::Name(asked) => {
            let bytes = asked.to_bytes_with_nul();
            if bytes.len() > name.len() {
                return Ok(None);
            }
            name_len = bytes.len();
            name[..name_len].copy_from_slice(bytes);
        }
        By::Jid(Jid(asked)) => jid = asked,
        By::After(_) => iov.extend([text(c"lastjid"), part(&raw mut last, size_of::<i32>())]),
    }
    if !matches!(by, By::Name(_)) {
        iov.extend([text(c"jid"), part(&raw mut jid, size_of::<i32>())]);
    }
    iov.extend([text(c"name"), part(&raw mut name, name_len)]);
    iov.extend([text(c"path"), part(&raw mut path, path.len())]);
    iov.extend([text(c"dying"), part(&raw mut dying, size_of::<i32>())]);
    iov.extend([text(c"errmsg"), part(&raw mut errmsg, errmsg.len())]);
    let count = u32::try_from(iov.len()).unwrap_or(0);
    // SAFETY: each part names a local of this function with its length, which the kernel reads, or writes no further than.
    let found = unsafe { libc::jail_get(iov.as_mut_ptr(), count, libc::JAIL_DYING) };
    if found < 0 {
        let cause = io::Error::last_os_error();
        return match cause.raw_os_error() {
            Some(libc::ENOENT) => Ok(None),
            _ => Err(Refused { cause, message: until_nul(&errmsg) }),
        };
    }
    Ok(Some(Found { jid: Jid(found), name: until_nul(&name), path: until_nul(&path), dying: dying != 0 }))
}

/// `JAIL_OWN_DESC`, from FreeBSD 15 on; libc does not have it yet.
const OWN_DESC: i32 = 0x80;

/// `int jail_get(struct iovec *iov, unsigned int niov, JAIL_OWN_DESC)`: a descriptor that owns a jail, which is removed when it is
/// closed. None where the kernel has no such thing, before 15: it refuses the flag.
///
/// # Errors
/// EPERM where the caller is no root; ENOENT where there is no such jail.
///
/// jail_get(2).
pub fn own(Jid(mut jid): Jid) -> io::Result<Option<OwnedFd>> {
    let mut desc = -1i32;
    let mut iov =
        [text(c"jid"), part(&raw mut jid, size_of::<i32>()), text(c"desc"), part(&raw mut desc, size_of::<i32>())];
    // SAFETY: each part names a local of this function with its length, which the kernel reads, or writes no further than.
    let found = unsafe { libc::jail_get(iov.as_mut_ptr(), 4, OWN_DESC) };
    if found < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::InvalidInput { Ok(None) } else { Err(error) };
    }
    if desc < 0 {
        return Ok(None);
    }
    // SAFETY: the kernel has just opened it for the caller, and nobody else knows of it.
    let owner = unsafe { OwnedFd::from_raw_fd(desc) };
    rustix::io::fcntl_setfd(&owner, rustix::io::FdFlags::CLOEXEC)?;
    Ok(Some(owner))
}

pub(super) fn until_nul(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

/// `int jail_attach(int jid)`: the caller and all it starts are in the jail from now on, at its root.
///
/// # Errors
/// EPERM where the caller is no root, or has a directory open; EINVAL where there is no such jail.
///
/// jail_attach(2).
pub fn jail_attach(Jid(jid): Jid) -> io::Result<()> {
    // SAFETY: takes a number.
    let status = unsafe { libc::jail_attach(jid) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `int jail_remove(int jid)`: kills every process of a jail and takes it away. Unmounts nothing.
///
/// # Errors
/// EINVAL where there is no such jail, EPERM.
///
/// jail_remove(2).
pub fn jail_remove(Jid(jid): Jid) -> io::Result<()> {
    // SAFETY: takes a number.
    let status = unsafe { libc::jail_remove(jid) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
