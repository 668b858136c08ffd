//! `cargo xtask test`: all tests, and an honest count of them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::command;
use crate::error::{Context, Error, Result};
use crate::packages;
use crate::totals::Totals;
use crate::workspace::Workspace;

/// What the command line said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// A test that lacks something fails.
    pub(crate) no_skips: bool,
}

impl Options {
    pub(crate) fn parse(flags: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        for flag in flags {
            match *flag {
                "--no-skips" => options.no_skips = true,
                _ => return Err(Error::new(format!("cargo xtask test has no {flag}; it has --no-skips"))),
            }
        }
        Ok(options)
    }
}

/// Installs what is missing where we may, runs all tests, prints what was skipped, and the totals last.
pub(crate) fn test(workspace: &Workspace, options: Options) -> Result<bool> {
    let missing = packages::missing();
    if !missing.is_empty() && packages::can_install() {
        packages::install(&missing)?;
    }
    let skips = workspace.scratch("test")?.join("skips");
    fs::write(&skips, "").context(|| format!("write {}", skips.display()))?;
    let thinjail = build_thinjail(workspace)?;
    let prepare = |cargo: &mut Command| {
        cargo.env("THINJAIL_BIN", &thinjail).env("THINJAIL_SKIPS", &skips);
        // A snapshot that differs is a failure, and writes nothing into the tree.
        cargo.env("INSTA_UPDATE", "no");
        if options.no_skips {
            cargo.env("THINJAIL_NO_SKIPS", "1");
        }
    };

    let mut totals = Totals::default();
    let mut unit = workspace.cargo(&["test", "--no-fail-fast", "--workspace", "--exclude", "thinjail-tests"]);
    prepare(&mut unit);
    totals += count(&mut unit)?;
    // One at a time: they compare the host's mounts and processes before and after.
    let mut system = workspace.cargo(&["test", "--no-fail-fast", "-p", "thinjail-tests", "--", "--test-threads=1"]);
    prepare(&mut system);
    totals += count(&mut system)?;

    let skipped = fs::read_to_string(&skips).context(|| format!("read {}", skips.display()))?;
    totals.skip(skipped.lines().count() as u64);
    report(&skipped, totals);
    Ok(totals.failed == 0 && !(options.no_skips && totals.skipped > 0))
}

/// Builds the binary that the system tests run; cargo itself says where it went.
fn build_thinjail(workspace: &Workspace) -> Result<PathBuf> {
    let mut cargo = workspace.cargo(&["build", "-p", "thinjail", "--message-format", "json-render-diagnostics"]);
    let mut built = None;
    let done = command::lines(&mut cargo, |line| built = executable(line).or(built.take()))?;
    built.filter(|_| done).ok_or_else(|| Error::new(format!("{} failed", command::words(&cargo))))
}

/// The program that a line of cargo's messages says was built.
pub(crate) fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    Some(PathBuf::from(message.get("executable")?.as_str()?))
}

/// Runs test programs through cargo, shows what they print and sums what they counted.
fn count(cargo: &mut Command) -> Result<Totals> {
    let mut totals = Totals::default();
    let passed = command::lines(cargo, |line| {
        println!("{line}");
        totals += Totals::parse_libtest(line).unwrap_or_default();
    })?;
    if !passed && totals.failed == 0 {
        // It did not build, or a test program died before it could count.
        println!("FAILED: {}", command::words(cargo));
        totals.failed += 1;
    }
    Ok(totals)
}

fn report(skipped: &str, totals: Totals) {
    println!();
    if !skipped.is_empty() {
        println!("Skipped:");
        skipped.lines().for_each(|line| println!("  {line}"));
        let missing = packages::missing();
        if !missing.is_empty() {
            println!("\nPackages that are not installed here:");
            for package in &missing {
                println!("  {:16} {}", package.name, package.why);
            }
            println!("\nThis installs them: {}", packages::install_line(&missing));
        }
        println!();
    }
    println!("{totals}");
}
