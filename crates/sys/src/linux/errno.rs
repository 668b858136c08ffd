//! What errors of the system are called. glibc and FreeBSD agree in most of these, people search for them, and musl has others.

use std::ffi::{CStr, c_int};

/// The words of glibc, where musl's differ and a file, a mount, a process or a socket may fail with it.
pub(super) fn text(errno: c_int) -> Option<&'static CStr> {
    Some(match errno {
        libc::EIO => c"Input/output error",
        libc::ECHILD => c"No child processes",
        libc::ENOMEM => c"Cannot allocate memory",
        libc::EBUSY => c"Device or resource busy",
        libc::EXDEV => c"Invalid cross-device link",
        libc::EMFILE => c"Too many open files",
        libc::ENOTTY => c"Inappropriate ioctl for device",
        libc::ESPIPE => c"Illegal seek",
        libc::EDOM => c"Numerical argument out of domain",
        libc::ERANGE => c"Numerical result out of range",
        libc::EDEADLK => c"Resource deadlock avoided",
        libc::ENAMETOOLONG => c"File name too long",
        libc::ELOOP => c"Too many levels of symbolic links",
        libc::ETIME => c"Timer expired",
        libc::EOVERFLOW => c"Value too large for defined data type",
        libc::ELIBACC => c"Can not access a needed shared library",
        libc::ELIBBAD => c"Accessing a corrupted shared library",
        libc::EILSEQ => c"Invalid or incomplete multibyte or wide character",
        libc::EUSERS => c"Too many users",
        libc::ENOTSOCK => c"Socket operation on non-socket",
        libc::EMSGSIZE => c"Message too long",
        libc::EOPNOTSUPP => c"Operation not supported",
        libc::EADDRINUSE => c"Address already in use",
        libc::EADDRNOTAVAIL => c"Cannot assign requested address",
        libc::ENETUNREACH => c"Network is unreachable",
        libc::ENETRESET => c"Network dropped connection on reset",
        libc::ECONNABORTED => c"Software caused connection abort",
        libc::EISCONN => c"Transport endpoint is already connected",
        libc::ENOTCONN => c"Transport endpoint is not connected",
        libc::ESHUTDOWN => c"Cannot send after transport endpoint shutdown",
        libc::ETOOMANYREFS => c"Too many references: cannot splice",
        libc::ETIMEDOUT => c"Connection timed out",
        libc::EHOSTUNREACH => c"No route to host",
        libc::EINPROGRESS => c"Operation now in progress",
        libc::EUCLEAN => c"Structure needs cleaning",
        libc::EDQUOT => c"Disk quota exceeded",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On glibc this holds our words against its own, with musl that they are the ones that std prints.
    #[test]
    fn errors_are_called_what_glibc_calls_them() {
        let mut named = 0;
        for errno in 1..134 {
            let Some(text) = text(errno) else { continue };
            let said = std::io::Error::from_raw_os_error(errno).to_string();
            assert_eq!(said, format!("{} (os error {errno})", text.to_string_lossy()));
            named += 1;
        }
        assert_eq!(named, 36);
    }
}
