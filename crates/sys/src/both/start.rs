//! What a program has to do before its own main, without the rest of Rust's runtime: that reads the whole of /proc/self/maps and
//! asks for a stack to handle a stack overflow on, in a twentieth of the time that a jail takes to start.

use std::ffi::{CStr, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt;

/// Makes a `fn(Vec<OsString>) -> i32` the `main` that libc calls, which takes the arguments and gives the exit status. The
/// crate has to say `#![no_main]`.
#[macro_export]
macro_rules! start {
    ($main:path) => {
        #[doc(hidden)]
        // SAFETY: the symbol is libc's entry, of this very type; the caller's `no_main` sees to it that there is no other.
        #[unsafe(no_mangle)]
        pub extern "C" fn main(argc: i32, argv: *const *const std::ffi::c_char) -> i32 {
            let prepared =
                $crate::both::start::standard_descriptors().and_then(|()| $crate::both::start::survive_failed_writes());
            // Nobody to tell it: there may be no standard error.
            if prepared.is_err() {
                return 125;
            }
            $main($crate::both::start::arguments(argc, argv))
        }
    };
}

/// Opens /dev/null in the place of a standard descriptor that is closed, lest a file of ours gets its number and is written to
/// as standard output.
///
/// # Errors
/// Those of poll(2) and open(2).
pub fn standard_descriptors() -> io::Result<()> {
    let mut fds = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    loop {
        // SAFETY: three entries, as the count says; no timeout.
        if unsafe { libc::poll(fds.as_mut_ptr(), 3, 0) } >= 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    for fd in fds {
        // The lowest number that is free is taken, which is this one, as those below are open by now.
        // SAFETY: a NUL-terminated path; the descriptor stays open for the life of the program, as the standard ones do.
        if fd.revents & libc::POLLNVAL != 0 && unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// `signal(SIGPIPE, SIG_IGN)` and the same of SIGXFSZ: who prints to a pipe that nobody reads gets EPIPE, who writes past
/// RLIMIT_FSIZE gets EFBIG, and goes on to clean up: a journal, a file of the jail or the pidfile that can't be written is an error.
/// The program gets them back as they are by default.
///
/// # Errors
/// None that is documented.
pub fn survive_failed_writes() -> io::Result<()> {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        // SAFETY: SIG_IGN runs no code of ours.
        if unsafe { libc::signal(signal, libc::SIG_IGN) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The arguments of `main`, by [`start!`] only: `argv` has to be the one that libc called it with.
#[doc(hidden)]
#[must_use]
#[allow(clippy::not_unsafe_ptr_arg_deref, reason = "the macro's business only, which has what libc gave to main")]
pub fn arguments(argc: i32, argv: *const *const libc::c_char) -> Vec<OsString> {
    // SAFETY: libc gives `main` argc pointers, which stay as they are as long as the process lives: nothing of ours writes there.
    let argv = unsafe { std::slice::from_raw_parts(argv, usize::try_from(argc).unwrap_or(0)) };
    let argument = |text: &*const libc::c_char| {
        // SAFETY: each of them points to a NUL-terminated string that lives as long as the process.
        let text = unsafe { CStr::from_ptr(*text) };
        OsString::from_vec(text.to_bytes().to_vec())
    };
    argv.iter().map(argument).collect()
}
