//! The cross toolchain, for FreeBSD and for Linux with musl: made once by a script, kept below target/ until the script or
//! rustc changes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::command;
use crate::error::{Context, Result};
use crate::workspace::Workspace;

const SCRIPT: &str = include_str!("../cross.sh");

/// A system that it builds for.
pub(crate) struct Target {
    /// rustc's name of it.
    pub(crate) name: &'static str,
    /// Below target/: what is built for it.
    home: &'static str,
    /// Below the toolchain's bin.
    linker: &'static str,
    archiver: Option<&'static str>,
    /// What rustc is told besides where the standard library is.
    flags: &'static str,
}

/// The oldest FreeBSD that we run on, and later ones.
pub(crate) const FREEBSD: Target = Target {
    name: "x86_64-unknown-freebsd",
    home: "freebsd",
    linker: "freebsd-cc",
    archiver: Some("freebsd-ar"),
    flags: "",
};

/// Linux, with a libc in the binary that starts fast. rustc would link start files that come with rustup's standard library.
pub(crate) const MUSL: Target = Target {
    name: "x86_64-unknown-linux-musl",
    home: "dist",
    linker: "musl-cc",
    archiver: None,
    flags: " -Clink-self-contained=no",
};

/// One that is ready.
pub(crate) struct Toolchain {
    dir: PathBuf,
}

impl Toolchain {
    /// Makes it, if what is there is not of this script and this rustc.
    pub(crate) fn ready(workspace: &Workspace) -> Result<Self> {
        let dir = workspace.dir("cross")?.join("toolchain");
        let stamp = dir.join("stamp");
        let wanted = wanted()?;
        if fs::read_to_string(&stamp).ok().as_deref() != Some(wanted.as_str()) {
            let script = workspace.root().join("crates/xtask/cross.sh");
            // What an interrupted or older run left must not get into a new one.
            if dir.exists() {
                fs::remove_dir_all(&dir).context(|| format!("remove {}", dir.display()))?;
            }
            command::run(Command::new("bash").arg(script).arg(&dir))?;
            fs::write(&stamp, wanted).context(|| format!("write {}", stamp.display()))?;
        }
        Ok(Self { dir })
    }

    /// rustup's has clippy; Debian's, taken where the sources of rustup's are gone, does not.
    pub(crate) fn has_clippy(&self) -> bool {
        !self.dir.join("bin/cargo").exists()
    }

    /// Compiles a C file of the project against FreeBSD's headers. What comes out lies beside the toolchain: zig does not write
    /// to /dev/null, but to a file in the working directory.
    pub(crate) fn compile(&self, workspace: &Workspace, file: &str) -> Command {
        let mut compiler = Command::new(self.dir.join("bin/freebsd-cc"));
        compiler.current_dir(workspace.root()).args(["-c", file, "-o"]).arg(self.dir.join("abi.o"));
        compiler
    }

    /// `cargo VERB --target TARGET` with all that it takes.
    pub(crate) fn cargo(&self, workspace: &Workspace, target: &Target, words: &[&str]) -> Result<Command> {
        let mut cargo = workspace.cargo(&words[..words.len().min(1)]);
        let bin = self.dir.join("bin");
        if !self.has_clippy() {
            cargo = Command::new(bin.join("cargo"));
            cargo.current_dir(workspace.root()).args(words.first()).env("RUSTC", bin.join("rustc"));
            cargo.env("RUSTDOC", bin.join("rustdoc"));
        }
        let build = workspace.dir(target.home)?.join("build");
        cargo.args(["--target", target.name, "--target-dir"]).arg(build).args(words.iter().skip(1));
        let lower = target.name.replace('-', "_");
        let upper = lower.to_uppercase();
        cargo.env(format!("CARGO_TARGET_{upper}_LINKER"), bin.join(target.linker));
        let flags = format!("--sysroot={}{}", self.dir.join("sysroot").display(), target.flags);
        cargo.env(format!("CARGO_TARGET_{upper}_RUSTFLAGS"), flags);
        if let Some(archiver) = target.archiver {
            cargo.env(format!("CC_{lower}"), bin.join(target.linker)).env(format!("AR_{lower}"), bin.join(archiver));
        }
        Ok(cargo)
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
