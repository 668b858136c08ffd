//! An ordinary user: this test's own, or where that is root, nobody.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::binary;
use crate::jail::{Thinjail, thinjail, thinjail_through};
use crate::skip::{Lack, root};
use crate::temp::TempDir;

/// Whoever has no privilege at all.
const NOBODY: u32 = 65534;

/// An ordinary user with a directory of its own.
#[derive(Debug)]
pub struct User {
    uid: u32,
    /// A directory of its own.
    pub home: TempDir,
    /// Where the user may execute it: root's checkout may be closed to others.
    thinjail: Option<PathBuf>,
}

impl User {
    /// The user that this test runs as, unless that is root. Lacks where the host refuses user namespaces.
    pub fn ordinary() -> Result<Self, Lack> {
        let home = TempDir::new();
        let user = if root().is_ok() {
            let copy = home.path().join("thinjail");
            // By another process: a test beside this one may fork at any moment, and what its child then has open for writing
            // can't be executed.
            let copied = Command::new("cp").arg(binary::thinjail()).arg(&copy).status();
            copied.ok().filter(|status| status.success()).ok_or_else(|| Lack::new("can't copy thinjail"))?;
            crate::temp::chmod(&copy, 0o755);
            std::os::unix::fs::chown(home.path(), Some(NOBODY), Some(NOBODY))
                .map_err(|error| Lack::new(format!("can't give a directory to nobody: {error}")))?;
            Self { uid: NOBODY, home, thinjail: Some(copy) }
        } else {
            let uid = rustix::process::geteuid().as_raw();
            Self { uid, home, thinjail: None }
        };
        let unshare = ["unshare", "--user", "--mount", "true"];
        let made = match user.thinjail {
            Some(_) => Command::new("setpriv").args(ids()).arg("--clear-groups").args(unshare).status(),
            None => Command::new(unshare[0]).args(&unshare[1..]).status(),
        };
        match made {
            Ok(status) if status.success() => Ok(user),
            _ => Err(Lack::new("this host refuses user namespaces to ordinary users")),
        }
    }

    /// Its number.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// `thinjail` with these arguments, as this user.
    pub fn thinjail<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Thinjail {
        self.thinjail_with(&["--clear-groups"], args)
    }

    /// The same through setpriv(1) with these words, where the test is root.
    pub fn thinjail_with<S: AsRef<OsStr>>(&self, words: &[&str], args: impl IntoIterator<Item = S>) -> Thinjail {
        let Some(copy) = &self.thinjail else { return thinjail(args) };
        let mut command = Command::new("setpriv");
        command.args(ids()).args(words).arg(copy).args(args).env_remove("THINJAIL_PROFILE_PATH");
        command.stdin(Stdio::null()).current_dir("/");
        // The copy in place of the one that only root may get at.
        let mut thinjail = thinjail_through(["setpriv"], [""; 0]);
        *thinjail.command() = command;
        thinjail
    }

    /// A file of this user's, or a profile.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home.file(name, content);
        if self.thinjail.is_some() {
            let _ = std::os::unix::fs::chown(&path, Some(NOBODY), Some(NOBODY));
        }
        path
    }

    /// A directory of this user's.
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.home.path().join(name);
        let _ = fs::create_dir_all(&path);
        if self.thinjail.is_some() {
            let _ = std::os::unix::fs::chown(&path, Some(NOBODY), Some(NOBODY));
        }
        path
    }
}

fn ids() -> [String; 2] {
    [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")]
}
