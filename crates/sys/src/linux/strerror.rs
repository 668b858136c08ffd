//! strerror_r(3) for builds with musl, in the words of glibc.

use std::ffi::{CStr, c_char, c_int};

use super::errno::text;

/// strerror_r(3) of POSIX, by the name under which std calls it. A static program has but one of it, and the linker takes libc's only
/// where there is none.
///
/// # Safety
/// `buffer` points to `length` bytes that may be written.
// SAFETY: it has the type and does the work of the libc function of that name.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn __xpg_strerror_r(errno: c_int, buffer: *mut c_char, length: usize) -> c_int {
    // SAFETY: takes a number.
    let theirs = unsafe { libc::strerror(errno) };
    // SAFETY: musl's texts are constants, for an unknown number too, and end with a NUL.
    let theirs = unsafe { CStr::from_ptr(theirs) };
    let text = text(errno).unwrap_or(theirs).to_bytes_with_nul();
    if text.len() > length {
        return libc::ERANGE;
    }
    // SAFETY: the text fits, as was just seen, and lies in no buffer of a caller.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), text.len()) };
    0
}
