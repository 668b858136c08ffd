//! sysctl(3).

use std::ffi::CStr;
use std::io;

/// `int sysctlbyname(const char *name, void *oldp, size_t *oldlenp, const void *newp, size_t newlen)`, for a value that
/// is an `int` and is only read. See sysctl(3).
pub fn sysctlbyname_int(name: &CStr) -> io::Result<i32> {
    let mut value: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>();
    // SAFETY: `value` and `length` live through the call and `length` says how big `value` is, so the kernel writes no
    // further; with a null `newp` nothing is set.
    let done =
        unsafe { libc::sysctlbyname(name.as_ptr(), (&raw mut value).cast(), &raw mut length, std::ptr::null(), 0) };
    if done == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}
