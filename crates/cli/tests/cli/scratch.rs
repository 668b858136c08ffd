//! A directory of a test's own, trusted by thinjail and gone at the end.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::run_thinjail::binary;

pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Below the directory for temporary files, which is sticky, and not below the checkout, which may be open to a group.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("thinjail-cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = fs::canonicalize(std::env::temp_dir()).unwrap().join(name);
        fs::DirBuilder::new().mode(0o755).create(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn str(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// A file of mode 0644.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        self.file_with_mode(name, content, 0o644)
    }

    pub(crate) fn file_with_mode(&self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A profile for a program that every system has, with these lines added.
    pub(crate) fn profile(&self, name: &str, lines: &str) -> String {
        self.file(&format!("{name}.toml"), format!("command = \"/bin/sh -c true\"\nuser = \"nobody\"\n{lines}\n"))
    }

    /// thinjail as uid 65534, which can get at this copy of it. Only root can become that one.
    pub(crate) fn thinjail_of_another_user(&self) -> Command {
        let copy = self.0.join("thinjail");
        // By another process: a test beside this one may fork at any moment, and what its child then has open for writing
        // can't be executed.
        assert!(Command::new("cp").arg(binary()).arg(&copy).status().unwrap().success());
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(copy);
        command.uid(65534).gid(65534).env_remove("THINJAIL_PROFILE_PATH");
        command
    }

    pub(crate) fn mode(&self, mode: u32) {
        fs::set_permissions(&self.0, fs::Permissions::from_mode(mode)).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
