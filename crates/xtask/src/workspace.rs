//! Where the project is, and where what is built from it goes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::error::{Context, Error, Result};

/// The two directories that every chore needs.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// The one that `cargo xtask` runs in.
    pub(crate) fn find() -> Result<Self> {
        // Asked at run time: a built xtask may lie in a target directory that several clones share.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map(PathBuf::from)
            .ok_or_else(|| Error::new("find the project: run it as `cargo xtask`"))?;
        let root = manifest
            .join("../..")
            .canonicalize()
            .context(|| format!("find the project above {}", manifest.display()))?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
        Ok(Self { root, target })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A directory below target for files of a chore, made if it isn't there.
    pub(crate) fn dir(&self, chore: &str) -> Result<PathBuf> {
        let dir = self.target.join(chore);
        std::fs::create_dir_all(&dir).context(|| format!("make {}", dir.display()))?;
        Ok(dir)
    }

    /// What is free on the disk of the target directory, in bytes.
    pub(crate) fn room(&self) -> Result<u64> {
        std::fs::create_dir_all(&self.target).context(|| format!("make {}", self.target.display()))?;
        let disk = rustix::fs::statvfs(&self.target)
            .map_err(std::io::Error::from)
            .context(|| format!("ask for the room on the disk of {}", self.target.display()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// `cargo` in the project's root.
    pub(crate) fn cargo(&self, words: &[&str]) -> Command {
        let mut cargo = command::cargo();
        cargo.current_dir(&self.root).args(words);
        cargo
    }

    /// Text of a file of the project.
    pub(crate) fn read(&self, file: &str) -> Result<String> {
        std::fs::read_to_string(self.root.join(file)).context(|| format!("read {file}"))
    }
}
