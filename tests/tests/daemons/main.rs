//! Real daemons, as Debian's packages ship them, by the profiles that we ship, spoken to by their real clients.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod memcached;
mod nginx;
mod redis;

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the host that a daemon is going to change: as it was again when the test lets go of it.
struct Restored {
    path: PathBuf,
    copy: Option<PathBuf>,
}

impl Restored {
    fn new(path: &str) -> Self {
        let path = PathBuf::from(path);
        let copy = path.exists().then(|| {
            let copy = path.with_extension("before-test-of-thinjail");
            // Beside it, so that one rename brings it back with its owner, mode and times.
            preserve(&path, &copy);
            copy
        });
        Self { path, copy }
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        match &self.copy {
            Some(copy) => {
                let _ = fs::rename(copy, &self.path);
            }
            None => {
                let _ = fs::remove_file(&self.path);
            }
        }
    }
}

fn preserve(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success(), "cp -a {} {}: {copied}", from.display(), to.display());
}

/// The pid in a pidfile.
fn pid_in(pidfile: &str) -> Option<i32> {
    fs::read_to_string(pidfile).ok()?.trim().parse().ok()
}

/// The uid of a user of this host.
fn uid_of(user: &str) -> u32 {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with(&format!("{user}:"))).unwrap();
    line.split(':').nth(2).unwrap().parse().unwrap()
}
