//! execve(2), fexecve(2).

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU8, Ordering};

/// A list of strings as execve(2) takes it; made before the child is, so that the child allocates nothing.
#[derive(Debug)]
pub struct StringList {
    /// Keeps what `pointers` point to.
    strings: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
    /// `NAME=` and room for a number that is known late only.
    late: Option<(usize, Box<[AtomicU8]>)>,
}

/// The digits of a pid, and a NUL.
const ROOM: usize = 12;

impl StringList {
    /// From strings that hold no NUL.
    #[must_use]
    pub fn new(strings: Vec<CString>) -> Self {
        let pointers = strings.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect();
        Self { strings, pointers, late: None }
    }

    /// The strings, but for one with a number that is not known yet.
    #[must_use]
    pub fn strings(&self) -> &[CString] {
        &self.strings
    }

    /// With `NAME=` at its end, whose number is not known yet.
    #[must_use]
    pub fn with_number(mut self, name: &str) -> Self {
        let bytes = name.bytes().chain([b'=']).chain([0; ROOM]);
        let late: Box<[AtomicU8]> = bytes.map(AtomicU8::new).collect();
        let end = self.pointers.len().saturating_sub(1);
        self.pointers.insert(end, late.as_ptr().cast());
        self.late = Some((name.len() + 1, late));
        self
    }

    /// Writes it, and allocates nothing. What is not below zero fits.
    pub fn set_number(&self, number: i32) {
        let Some((start, late)) = &self.late else { return };
        let mut digits = [0; ROOM];
        let (mut rest, mut count) = (number.unsigned_abs(), 0);
        while count == 0 || rest > 0 {
            digits[count] = b'0' + (rest % 10) as u8;
            (rest, count) = (rest / 10, count + 1);
        }
        let written = digits[..count].iter().rev().copied().chain([0]);
        for (to, digit) in late[*start..].iter().zip(written) {
            to.store(digit, Ordering::Relaxed);
        }
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
