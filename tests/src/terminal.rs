//! A terminal without anybody in front of it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::process::{Child, Command};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::{binary, wait};

/// A pseudo-terminal with `thinjail` as its session leader, as a login shell would be.
#[derive(Debug)]
pub struct Terminal {
    keys: File,
    child: Child,
    said: String,
}

impl Terminal {
    /// Runs `thinjail` with these arguments on a new one.
    ///
    /// # Panics
    ///
    /// If there is none to be had, or thinjail can't be started.
    #[track_caller]
    pub fn new<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        let (keys, screen) = pair().expect("make a pseudo-terminal");
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(binary::thinjail()).args(args);
        let share = || screen.try_clone().expect("share the pseudo-terminal");
        let child = command.stdin(share()).stdout(share()).stderr(share()).spawn().expect("start setsid(1)");
        Self { keys, child, said: String::new() }
    }

    /// Pid of `thinjail`.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "a pid is an i32")]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    /// What has been on the screen when it was last waited for.
    #[must_use]
    pub fn said(&self) -> &str {
        &self.said
    }

    /// Types.
    ///
    /// # Panics
    ///
    /// If the terminal is gone.
    pub fn type_in(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).expect("type");
    }

    /// Gives the window another width.
    ///
    /// # Panics
    ///
    /// If the terminal is gone.
    pub fn resize(&self, columns: u16) {
        let size = rustix::termios::Winsize { ws_row: 20, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&self.keys, size).expect("resize the window");
    }

    fn listen(&mut self) {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = self.keys.read(&mut bytes) {
            self.said.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    /// Waits until this has been on the screen.
    ///
    /// # Panics
    ///
    /// If it was not in time.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        let heard = wait::poll(wait::PATIENCE, || {
            self.listen();
            self.said.contains(text).then_some(())
        });
        assert!(heard.is_some(), "waited in vain for {text:?} in {:?}", self.said);
    }

    /// Waits for the end; the exit status, none if a signal ended it.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    #[track_caller]
    pub fn finish(&mut self) -> Option<i32> {
        let status = wait::poll(wait::PATIENCE, || {
            self.listen();
            self.child.try_wait().expect("wait for thinjail")
        });
        self.listen();
        status.unwrap_or_else(|| panic!("it does not end: {:?}", self.said)).code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The side of the keys, which never blocks a reader, and the side of the programs.
fn pair() -> io::Result<(File, File)> {
    let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&keys)?;
    unlockpt(&keys)?;
    let name = ptsname(&keys, Vec::new())?;
    let name = name.to_str().map_err(io::Error::other)?;
    // Not ours: it is to become the session leader's.
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
    let screen = rustix::fs::open(name, flags, rustix::fs::Mode::empty())?;
    rustix::io::ioctl_fionbio(&keys, true)?;
    Ok((keys.into(), screen.into()))
}
