//! execve(2), fexecve(2).

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// A list of strings as execve(2) takes it; made before the child is, so that the child allocates nothing.
#[derive(Debug)]
pub struct StringList {
    /// Keeps what `pointers` point to.
    _strings: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl StringList {
    /// From strings that hold no NUL.
    #[must_use]
    pub fn new(strings: Vec<CString>) -> Self {
        let pointers = strings.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect();
        Self { _strings: strings, pointers }
    }
}

/// `int execve(const char *pathname, char *const argv[], char *const envp[])`. Comes back only if it failed.
///
/// # Errors
/// ENOENT also when the interpreter is missing, EACCES, ENOEXEC and the others of execve(2).
#[must_use]
pub fn execve(pathname: &CStr, argv: &StringList, envp: &StringList) -> io::Error {
    // SAFETY: `StringList` holds NUL-terminated strings that live as long as it does, and ends with a null pointer.
    unsafe { libc::execve(pathname.as_ptr(), argv.pointers.as_ptr(), envp.pointers.as_ptr()) };
    io::Error::last_os_error()
}

/// `int fexecve(int fd, char *const argv[], char *const envp[])`: the file that is open, whatever has its name. Comes back only if
/// it failed.
///
/// # Errors
/// ENOENT also when the interpreter is missing, ENOEXEC and the others of execve(2).
///
/// fexecve(2), fexecve(3).
#[must_use]
pub fn fexecve<Fd: AsFd>(fd: Fd, argv: &StringList, envp: &StringList) -> io::Error {
    // SAFETY: `StringList` holds NUL-terminated strings that live as long as it does, and ends with a null pointer; the descriptor
    // is open through the call.
    unsafe { libc::fexecve(fd.as_fd().as_raw_fd(), argv.pointers.as_ptr(), envp.pointers.as_ptr()) };
    io::Error::last_os_error()
}
