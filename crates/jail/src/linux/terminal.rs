//! A terminal of its own for a command in a jail, and the caller's terminal on the other side of it.
//!
//! The caller's terminal itself never gets into the jail: the command has no descriptor of it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

/// The caller's side. The caller's terminal is as it was when this is dropped.
#[derive(Debug)]
pub(super) struct Terminal {
    ours: OwnedFd,
    before: Option<Termios>,
    /// What the caller has typed, until it says no more.
    typing: bool,
    open: bool,
}

impl Terminal {
    /// A new one, as large as the caller's, and the command's side of it.
    pub(super) fn open() -> io::Result<(Self, OwnedFd)> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags)?;
        unlockpt(&ours)?;
        let theirs = ioctl_tiocgptpeer(&ours, flags)?;
        let terminal = Self { ours, before: None, typing: true, open: true };
        terminal.resize();
        Ok((terminal, theirs))
    }

    /// From now on keys are the command's, ^C too.
    pub(super) fn take_keys(&mut self) -> io::Result<()> {
        if !isatty(stdin()) {
            return Ok(());
        }
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Drain, &raw)?;
        self.before = Some(before);
        Ok(())
    }

    /// The caller's has another size by now.
    pub(super) fn resize(&self) {
        if let Ok(size) = tcgetwinsize(stdin()) {
            let _ = tcsetwinsize(&self.ours, size);
        }
    }

    /// What to wait for.
    pub(super) fn polled(&self) -> [PollFd<'_>; 2] {
        let wanted = |wanted: bool| if wanted { PollFlags::IN } else { PollFlags::empty() };
        [PollFd::from_borrowed_fd(stdin(), wanted(self.typing)), PollFd::new(&self.ours, wanted(self.open))]
    }

    /// Carries over what there is. False once the command's side is closed and all that was said is out.
    pub(super) fn carry(&mut self, typed: bool, said: bool) -> io::Result<()> {
        if said && !copy(self.ours.as_fd(), stdout())? {
            self.open = false;
        }
        if typed && self.typing && !copy(stdin(), self.ours.as_fd())? {
            self.typing = false;
            // As ^D does at the beginning of a line.
            let _ = rustix::io::write(&self.ours, &[4]);
        }
        Ok(())
    }

    /// Says what is left to be said: the command has ended.
    pub(super) fn finish(&mut self) {
        use rustix::event::{Timespec, poll};
        while self.open {
            let mut fds = [PollFd::new(&self.ours, PollFlags::IN)];
            let waiting = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
            if !matches!(waiting, Ok(1)) || !copy(self.ours.as_fd(), stdout()).unwrap_or(false) {
                self.open = false;
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(stdin(), OptionalActions::Drain, before);
        }
    }
}

/// Copies what there is; false at the end.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<bool> {
    let mut bytes = [0; 4096];
    let count = match rustix::io::read(from, &mut bytes) {
        Ok(count) => count,
        Err(Errno::INTR | Errno::AGAIN) => return Ok(true),
        // The other side of a terminal is closed.
        Err(Errno::IO) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut rest = &bytes[..count];
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            Err(Errno::IO) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(count > 0)
}
