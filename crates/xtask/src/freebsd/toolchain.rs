//! The cross toolchain: made once by a script, kept below target/ until the script or rustc changes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::TARGET;
use crate::command;
use crate::error::{Context, Result};
use crate::workspace::Workspace;

const SCRIPT: &str = include_str!("../../freebsd-cross.sh");

/// One that is ready.
pub(super) struct Toolchain {
    dir: PathBuf,
    target: PathBuf,
}

impl Toolchain {
    /// Makes it, if what is there is not of this script and this rustc.
    pub(super) fn ready(workspace: &Workspace) -> Result<Self> {
        let home = workspace.dir("freebsd")?;
        let dir = home.join("toolchain");
        let stamp = dir.join("stamp");
        let wanted = wanted()?;
        if fs::read_to_string(&stamp).ok().as_deref() != Some(wanted.as_str()) {
            let script = workspace.root().join("crates/xtask/freebsd-cross.sh");
            // What an interrupted or older run left must not get into a new one.
            if dir.exists() {
                fs::remove_dir_all(&dir).context(|| format!("remove {}", dir.display()))?;
            }
            command::run(Command::new("bash").arg(script).arg(&dir))?;
            fs::write(&stamp, wanted).context(|| format!("write {}", stamp.display()))?;
        }
        Ok(Self { dir, target: home.join("build") })
    }

    /// rustup's has clippy; Debian's, taken where the sources of rustup's are gone, does not.
    pub(super) fn has_clippy(&self) -> bool {
        !self.dir.join("bin/cargo").exists()
    }

    /// Compiles a C file of the project against FreeBSD's headers. What comes out lies beside the toolchain: zig does not write
    /// to /dev/null, but to a file in the working directory.
    pub(super) fn compile(&self, workspace: &Workspace, file: &str) -> Command {
        let mut compiler = Command::new(self.dir.join("bin/freebsd-cc"));
        compiler.current_dir(workspace.root()).args(["-c", file, "-o"]).arg(self.dir.join("abi.o"));
        compiler
    }

    /// `cargo VERB --target x86_64-unknown-freebsd` with all that it takes.
    pub(super) fn cargo(&self, workspace: &Workspace, words: &[&str]) -> Command {
        let mut cargo = workspace.cargo(&words[..words.len().min(1)]);
        if !self.has_clippy() {
            let bin = self.dir.join("bin");
            cargo = Command::new(bin.join("cargo"));
            cargo.current_dir(workspace.root()).args(words.first()).env("RUSTC", bin.join("rustc"));
            cargo.env("RUSTDOC", bin.join("rustdoc"));
        }
        let bin = self.dir.join("bin");
        cargo.args(["--target", TARGET, "--target-dir"]).arg(&self.target).args(words.iter().skip(1));
        cargo.env("CARGO_TARGET_X86_64_UNKNOWN_FREEBSD_LINKER", bin.join("freebsd-cc"));
        let sysroot = format!("--sysroot={}", self.dir.join("sysroot").display());
        cargo.env("CARGO_TARGET_X86_64_UNKNOWN_FREEBSD_RUSTFLAGS", sysroot);
        cargo.env("CC_x86_64_unknown_freebsd", bin.join("freebsd-cc"));
        cargo.env("AR_x86_64_unknown_freebsd", bin.join("freebsd-ar"));
        cargo
    }
}

/// What a toolchain is made of: kept as text beside it.
fn wanted() -> Result<String> {
    let rustc = command::output(Command::new("rustc").arg("-vV"))?;
    let ways: Vec<String> = ["WAY", "FBSD", "ZIG", "STDTAR"]
        .iter()
        .map(|name| format!("{name}={}\n", std::env::var(name).unwrap_or_default()))
        .collect();
    Ok(format!("{rustc}{}{SCRIPT}", ways.concat()))
}
