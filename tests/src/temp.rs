//! A directory for one test, and what is put into it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Gone with its content at the end of the test. 0755 and ours, so that every user of a jail may go through it and
/// nobody else may write to it.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
}

impl TempDir {
    /// A new one.
    ///
    /// # Panics
    ///
    /// If it can't be made.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it is made on the disk, which a default does not say")]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("thinjail-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap_or_else(|error| panic!("make {}: {error}", path.display()));
        chmod(&path, 0o755);
        // Its real path: a system's /tmp may be a link, and plans name real paths.
        let path = fs::canonicalize(&path).unwrap_or(path);
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path in it, as text.
    #[must_use]
    pub fn at(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    /// A directory in it, 0755.
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("make {}: {error}", path.display()));
        chmod(&path, 0o755);
        path
    }

    /// A file in it, 0644.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path.join(name);
        fs::write(&path, content).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
        chmod(&path, 0o644);
        path
    }

    /// A profile; the directory that it is in, for [`profiles`](crate::jail::Thinjail::profiles).
    pub fn profile(&self, name: &str, toml: &str) -> PathBuf {
        let dir = self.dir("profiles");
        self.file(&format!("profiles/{name}.toml"), toml);
        dir
    }

    /// An executable file in it, 0755.
    pub fn program(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name, content);
        chmod(&path, 0o755);
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// chmod(2).
///
/// # Panics
///
/// If it fails.
pub fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .unwrap_or_else(|error| panic!("chmod {}: {error}", path.display()));
}
