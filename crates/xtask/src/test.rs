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
    let skips = workspace.dir("xtask")?.join("skips");
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

/// Builds the binary that the system tests run.
fn build_thinjail(workspace: &Workspace) -> Result<PathBuf> {
    let built = build(&mut workspace.cargo(&["build", "-p", "thinjail"]))?;
    let thinjail = built.into_iter().find(|program| program.name == "thinjail");
    thinjail.map(|program| program.path).ok_or_else(|| Error::new("cargo built no thinjail"))
}

/// A program that cargo built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Built {
    /// Of this package.
    pub(crate) package: String,
    /// The target's name.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// It holds tests.
    pub(crate) test: bool,
}

/// Runs a cargo that builds; cargo itself says what was built and where it is.
pub(crate) fn build(cargo: &mut Command) -> Result<Vec<Built>> {
    let mut built = Vec::new();
    let cargo = cargo.args(["--message-format", "json-render-diagnostics"]);
    if !command::lines(cargo, |line| built.extend(parse_built(line)))? {
        return Err(Error::new(format!("{} failed", command::words(cargo))));
    }
    Ok(built)
}

fn parse_built(message: &str) -> Option<Built> {
    let message: Value = serde_json::from_str(message).ok()?;
    let path = PathBuf::from(message.get("executable")?.as_str()?);
    let name = message.pointer("/target/name")?.as_str()?.to_owned();
    let test = message.pointer("/profile/test")?.as_bool()?;
    // path+file:///clone/crates/plan#thinjail-plan@0.1.0, or with no name where the directory has the same.
    let (place, id) = message.get("package_id")?.as_str()?.split_once('#')?;
    let package = id.split_once('@').map_or_else(|| place.rsplit('/').next(), |(package, _)| Some(package))?;
    Some(Built { package: package.to_owned(), name, path, test })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_what_it_built() {
        let message = |id: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"path+file:///clone/{id}","target":{{"name":"resolve"}},
                "profile":{{"test":true}},"executable":"/t/resolve-01"}}"#
            )
        };
        let built = |package: &str| {
            Some(Built { package: package.into(), name: "resolve".into(), path: "/t/resolve-01".into(), test: true })
        };
        assert_eq!(parse_built(&message("crates/plan#thinjail-plan@0.1.0")), built("thinjail-plan"));
        assert_eq!(parse_built(&message("crates/xtask#0.1.0")), built("xtask"));
        assert_eq!(parse_built(r#"{"executable":null}"#), None);
        assert_eq!(parse_built("warning: not JSON"), None);
    }

    #[test]
    fn an_unknown_flag_is_refused() {
        assert!(Options::parse(&["--no-skips"]).is_ok_and(|options| options.no_skips));
        assert!(Options::parse(&["--no-skip"]).is_err());
    }
}
