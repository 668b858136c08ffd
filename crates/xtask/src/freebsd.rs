//! `cargo xtask freebsd`: thinjail for FreeBSD, built, checked and packed on any Debian machine.

mod elf;
mod pack;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::cross::{FREEBSD, Toolchain};
use crate::error::{Error, Result};
use crate::programs::{self, BUILD_ALL, Program};
use crate::totals::Totals;
use crate::workspace::Workspace;

/// `freebsd VERB`.
pub(crate) fn freebsd(workspace: &Workspace, words: &[&str]) -> Result<bool> {
    match words {
        ["toolchain"] => Toolchain::ready(workspace).map(|_| true),
        ["check"] => check(workspace),
        ["build"] => build(workspace),
        ["test", "--runner", runner] => run(workspace, runner),
        ["rehearse"] => rehearse(workspace),
        _ => Err(Error::new("cargo xtask freebsd has toolchain, check, build, rehearse and test --runner CMD")),
    }
}

/// What crates/sys says of FreeBSD's structures by FreeBSD's own headers, then the whole workspace through clippy, tests included;
/// Debian's own toolchain has none and does with the compiler.
pub(crate) fn check(workspace: &Workspace) -> Result<bool> {
    let toolchain = Toolchain::ready(workspace)?;
    let lint = if toolchain.has_clippy() { "clippy" } else { "check" };
    let mut words = vec![lint, "--workspace", "--all-targets", "--locked"];
    if lint == "clippy" {
        words.extend(["--", "-D", "warnings"]);
    }
    Ok(command::succeeds(&mut toolchain.compile(workspace, "crates/xtask/freebsd-abi.c"))?
        & command::succeeds(&mut toolchain.cargo(workspace, &FREEBSD, &words)?)?)
}

/// The binary and all test programs, linked; each is looked at and must be a program for our oldest FreeBSD.
pub(crate) fn build(workspace: &Workspace) -> Result<bool> {
    let built = programs(workspace)?;
    let mut good = true;
    for program in &built {
        match elf::check(&program.path) {
            Ok(needs) => println!("{:16} {:24} {needs}", program.package, program.name),
            Err(error) => {
                println!("{:16} {:24} {}", program.package, program.name, error.chain());
                good = false;
            }
        }
    }
    println!("{} programs for {}", built.len(), FREEBSD.name);
    Ok(good && !built.is_empty())
}

/// Packs what runs on FreeBSD and hands it to a runner: `CMD DIR SCRIPT` brings DIR to a FreeBSD system, runs `sh SCRIPT`
/// there as root with the copy of DIR as working directory and no network, prints its output and exits with its status.
fn run(workspace: &Workspace, runner: &str) -> Result<bool> {
    hand_over(workspace, runner, &programs(workspace)?)
}

/// The same pack and script, with programs for this system and on it: shows that they are complete.
pub(crate) fn rehearse(workspace: &Workspace) -> Result<bool> {
    hand_over(workspace, "crates/xtask/runners/here", &programs::build(&mut workspace.cargo(BUILD_ALL))?)
}

fn hand_over(workspace: &Workspace, runner: &str, built: &[Program]) -> Result<bool> {
    let dir = pack::pack(workspace, built)?;
    let mut totals = Totals::default();
    let mut runner = Command::new(runner_path(workspace.root(), runner));
    let passed = command::lines(runner.current_dir(workspace.root()).arg(&dir).arg(pack::SCRIPT), |line| {
        println!("{line}");
        totals += Totals::parse_libtest(line).unwrap_or_default();
        totals.skip(u64::from(line.starts_with("skip: ")));
    })?;
    println!("on the other system: {totals}");
    Ok(passed && totals.failed == 0 && totals.passed > 0)
}

/// A runner with a `/` is a path from the project's root; else a command.
fn runner_path(root: &Path, runner: &str) -> PathBuf {
    if runner.contains('/') { root.join(runner) } else { PathBuf::from(runner) }
}

/// The binary and the test programs of all rooms.
fn programs(workspace: &Workspace) -> Result<Vec<Program>> {
    programs::build(&mut Toolchain::ready(workspace)?.cargo(workspace, &FREEBSD, BUILD_ALL)?)
}
