//! Login classes, by libc's own functions: setusercontext(3), login_cap(3).

use std::ffi::CStr;
use std::io;

/// `login_cap_t`, which only libutil looks into.
#[repr(C)]
struct LoginCap {
    _opaque: [u8; 0],
}

// SAFETY: <login_cap.h> declares the three so; they are called with what they themselves gave.
type Getpwclass = unsafe extern "C" fn(*const libc::passwd) -> *mut LoginCap;
type Close = unsafe extern "C" fn(*mut LoginCap);
// SAFETY: the same.
type Setusercontext =
    unsafe extern "C" fn(*mut LoginCap, *const libc::passwd, libc::uid_t, libc::c_uint) -> libc::c_int;

/// What is used of libutil. It is not linked: its number differs between FreeBSD 14 and 15, and a program that names one does
/// not start where only the other is.
#[derive(Clone, Copy, Debug)]
struct Library {
    getpwclass: Getpwclass,
    close: Close,
    setusercontext: Setusercontext,
}

impl Library {
    fn load() -> io::Result<Self> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "there is no libutil with login classes");
        let open = |name: &CStr| {
            // SAFETY: base's own library, whose start touches nothing of ours; `name` lives through the call.
            unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) }
        };
        let names = [c"libutil.so.10", c"libutil.so.9"];
        let library = names.into_iter().map(open).find(|library| !library.is_null()).ok_or_else(missing)?;
        let find = |name: &CStr| {
            // SAFETY: the library is open, and stays so to our end.
            let symbol = unsafe { libc::dlsym(library, name.as_ptr()) };
            if symbol.is_null() { Err(missing()) } else { Ok(symbol) }
        };
        let (getpwclass, close, context) =
            (find(c"login_getpwclass")?, find(c"login_close")?, find(c"setusercontext")?);
        // SAFETY: login_cap.h declares the function so, in every FreeBSD.
        let getpwclass = unsafe { std::mem::transmute::<*mut libc::c_void, Getpwclass>(getpwclass) };
        // SAFETY: the same.
        let close = unsafe { std::mem::transmute::<*mut libc::c_void, Close>(close) };
        // SAFETY: the same.
        let setusercontext = unsafe { std::mem::transmute::<*mut libc::c_void, Setusercontext>(context) };
        Ok(Self { getpwclass, close, setusercontext })
    }
}

const SETPRIORITY: libc::c_uint = 0x0008;
const SETRESOURCES: libc::c_uint = 0x0010;
const SETMAC: libc::c_uint = 0x0100;
const SETCPUMASK: libc::c_uint = 0x0200;
const SETLOGINCLASS: libc::c_uint = 0x0400;

/// A login class of login.conf(5), as the host has it.
#[derive(Debug)]
pub struct LoginClass {
    library: Library,
    class: *mut LoginCap,
    pwd: *const libc::passwd,
}

impl LoginClass {
    /// The class of a user by passwd(5), or `default`'s where the user has no entry. Reads the host's files, so it is called
    /// before jail_attach(2).
    ///
    /// # Errors
    /// login.conf(5) can't be read, or has no class `default`; there is no libutil.
    pub fn of_user(uid: u32) -> io::Result<Self> {
        let library = Library::load()?;
        // SAFETY: the process has one thread (a rule of the project, see the crate's doc), and nobody else of it uses libc's
        // static entry between here and the drop of what comes back.
        let pwd = unsafe { libc::getpwuid(uid) };
        // SAFETY: `pwd` is null or an entry that stays until the next getpwuid(3); null means the class `default`.
        let class = unsafe { (library.getpwclass)(pwd) };
        if class.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self { library, class, pwd }) }
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
        let status = unsafe { (self.library.setusercontext)(self.class, self.pwd, uid, flags) };
        if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl Drop for LoginClass {
    fn drop(&mut self) {
        // SAFETY: it is open, and closed once.
        unsafe { (self.library.close)(self.class) };
    }
}
