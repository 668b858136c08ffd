//! Login classes, by libc's own functions: setusercontext(3), login_cap(3).

use std::ffi::CStr;
use std::io;

/// `login_cap_t`, which only libutil looks into.
#[repr(C)]
struct LoginCap {
    _opaque: [u8; 0],
}

#[link(name = "util")]
unsafe extern "C" {
    fn login_getpwclass(pwd: *const libc::passwd) -> *mut LoginCap;
    fn login_getclass(class: *const libc::c_char) -> *mut LoginCap;
    fn login_close(class: *mut LoginCap);
    fn setusercontext(
        class: *mut LoginCap,
        pwd: *const libc::passwd,
        uid: libc::uid_t,
        flags: libc::c_uint,
    ) -> libc::c_int;
}

const SETPRIORITY: libc::c_uint = 0x0008;
const SETRESOURCES: libc::c_uint = 0x0010;
const SETMAC: libc::c_uint = 0x0100;
const SETCPUMASK: libc::c_uint = 0x0200;
const SETLOGINCLASS: libc::c_uint = 0x0400;

/// A login class of login.conf(5), as the host has it.
#[derive(Debug)]
pub struct LoginClass {
    class: *mut LoginCap,
    pwd: *const libc::passwd,
}

impl LoginClass {
    /// The class of a user by passwd(5), or `default`'s where the user has no entry. Reads the host's files, so it is called
    /// before jail_attach(2).
    ///
    /// # Errors
    /// login.conf(5) can't be read, or has no class `default`.
    pub fn of_user(uid: u32) -> io::Result<Self> {
        // SAFETY: the process has one thread (a rule of the project, see the crate's doc), and nobody else of it uses libc's
        // static entry between here and the drop of what comes back.
        let pwd = unsafe { libc::getpwuid(uid) };
        // SAFETY: `pwd` is null or an entry that stays until the next getpwuid(3); null means the class `default`.
        let class = unsafe { login_getpwclass(pwd) };
        Self::checked(class, pwd)
    }

    /// A class by its name; `default`'s values where there is no such class.
    ///
    /// # Errors
    /// As [`LoginClass::of_user`].
    pub fn named(name: &CStr, uid: u32) -> io::Result<Self> {
        // SAFETY: as in `of_user`.
        let pwd = unsafe { libc::getpwuid(uid) };
        // SAFETY: `name` lives through the call.
        let class = unsafe { login_getclass(name.as_ptr()) };
        Self::checked(class, pwd)
    }

    fn checked(class: *mut LoginCap, pwd: *const libc::passwd) -> io::Result<Self> {
        if class.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self { class, pwd }) }
    }

    /// `setusercontext(class, pwd, uid, PRIORITY | RESOURCES | MAC | CPUMASK | LOGINCLASS)`: nice value, limits, MAC label,
    /// processors and the class's name in the kernel, of the caller. Ids, groups, umask and environment are the plan's.
    ///
    /// # Errors
    /// EPERM.
    ///
    /// setusercontext(3).
    pub fn apply(&self, uid: u32) -> io::Result<()> {
        let flags = SETPRIORITY | SETRESOURCES | SETMAC | SETCPUMASK | SETLOGINCLASS;
        // SAFETY: `class` came from login_getpwclass(3) and is open; `pwd` is null or libc's static entry, unchanged since.
        let status = unsafe { setusercontext(self.class, self.pwd, uid, flags) };
        if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl Drop for LoginClass {
    fn drop(&mut self) {
        // SAFETY: it is open, and closed once.
        unsafe { login_close(self.class) };
    }
}
