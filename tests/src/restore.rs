//! Files of the host that a daemon under test is going to change: as they were again afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::skip::{self, Lack};

/// One file, as it was again when the test lets go of it.
#[derive(Debug)]
pub struct Restored {
    path: PathBuf,
    copy: Option<PathBuf>,
}

impl Restored {
    /// Keeps a copy; if there is no such file, there will be none.
    #[must_use]
    pub fn new(path: &str) -> Self {
        let path = PathBuf::from(path);
        let copy = path.exists().then(|| {
            // Beside it, so that one rename brings it back with its owner, mode and times.
            let copy = path.with_extension("before-test-of-thinjail");
            copy_as_it_is(&path, &copy);
            copy
        });
        Self { path, copy }
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        let _ = match &self.copy {
            Some(copy) => fs::rename(copy, &self.path),
            None => fs::remove_file(&self.path),
        };
    }
}

/// A file or directory that a daemon makes; if it was not there, it is gone when the test lets go of this.
#[derive(Debug)]
pub struct Absent {
    path: PathBuf,
    was_there: bool,
}

impl Absent {
    /// Looks whether it is there.
    #[must_use]
    pub fn new(path: &str) -> Self {
        let path = PathBuf::from(path);
        Self { was_there: path.exists(), path }
    }
}

impl Drop for Absent {
    fn drop(&mut self) {
        if !self.was_there {
            let _ = if self.path.is_dir() { fs::remove_dir_all(&self.path) } else { fs::remove_file(&self.path) };
        }
    }
}

/// The trust anchor of unbound, as Debian's service puts it there before a start; as it was again afterwards.
pub fn unbound_anchor() -> Result<Restored, Lack> {
    let (anchor, shipped) = ("/var/lib/unbound/root.key", skip::path("/usr/share/dns/root.key")?);
    let restored = Restored::new(anchor);
    if !Path::new(anchor).exists() {
        let mut install = Command::new("install");
        install.args(["--owner=unbound", "--group=unbound", "--mode=644"]);
        let installed = install.arg(shipped).arg(anchor).status();
        assert!(installed.is_ok_and(|status| status.success()), "install {anchor}");
    }
    Ok(restored)
}

/// Copies a file or a tree with owners, modes, times and links.
///
/// # Panics
///
/// If that fails.
pub fn copy_as_it_is(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.as_ref().is_ok_and(|status| status.success()), "cp -a {} {}", from.display(), to.display());
}
