//! rctl(2): limits that count over a whole jail.

use std::ffi::CString;
use std::io;

// SAFETY: <sys/rctl.h> declares them so.
unsafe extern "C" {
    fn rctl_add_rule(
        inbuf: *const libc::c_char,
        inlen: libc::size_t,
        outbuf: *mut libc::c_char,
        outlen: libc::size_t,
    ) -> libc::c_int;
    fn rctl_remove_rule(
        inbuf: *const libc::c_char,
        inlen: libc::size_t,
        outbuf: *mut libc::c_char,
        outlen: libc::size_t,
    ) -> libc::c_int;
}

// SAFETY: the type of both.
type Call = unsafe extern "C" fn(*const libc::c_char, libc::size_t, *mut libc::c_char, libc::size_t) -> libc::c_int;

fn call(function: Call, rule: &str) -> io::Result<()> {
    let rule = CString::new(rule).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the rule is as long as it says, with its NUL; with no room for an answer none is written.
    let status = unsafe { function(rule.as_ptr(), rule.as_bytes_with_nul().len(), std::ptr::null_mut(), 0) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `int rctl_add_rule(...)`: a rule such as `jail:nginx:memoryuse:deny=536870912`.
///
/// # Errors
/// ENOSYS where kern.racct.enable is 0.
///
/// rctl_add_rule(2), rctl(8).
pub fn add_rule(rule: &str) -> io::Result<()> {
    call(rctl_add_rule, rule)
}

/// `int rctl_remove_rule(...)`: every rule that the filter fits, such as `jail:nginx`.
///
/// # Errors
/// ESRCH where there is none.
///
/// rctl_remove_rule(2).
pub fn remove_rule(filter: &str) -> io::Result<()> {
    call(rctl_remove_rule, filter)
}
