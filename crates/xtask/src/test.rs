//! `cargo xtask test`: all tests, and an honest count of them.

use std::fs;
use std::process::Command;

use crate::error::{Context, Error, Result};
use crate::init;
use crate::packages;
use crate::programs::{self, BUILD_ALL, count};
use crate::totals::Totals;
use crate::workspace::Workspace;

/// The package whose tests are run one at a time.
const SYSTEM_TESTS: &str = "thinjail-tests";

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
    let built = programs::build(&mut workspace.cargo(BUILD_ALL))?;
    let thinjail = programs::thinjail(&built)?;
    let prepare = |tests: &mut Command| {
        tests.env("THINJAIL_BIN", thinjail).env("THINJAIL_SKIPS", &skips);
        // A snapshot that differs is a failure, and writes nothing into the tree.
        tests.env("INSTA_UPDATE", "no");
        if options.no_skips {
            tests.env("THINJAIL_NO_SKIPS", "1");
        }
    };

    let mut totals = Totals::default();
    // Those of init systems run where one is booted for them.
    let here = |program: &&programs::Program| program.test && program.name != init::PROGRAM;
    let mut programs: Vec<_> = built.iter().filter(here).collect();
    // What is fast comes first.
    programs.sort_by_key(|program| (program.package == SYSTEM_TESTS, &program.package, &program.name));
    for program in programs {
        println!("\n--- {} {}", program.package, program.name);
        let mut tests = program.command();
        if program.package == SYSTEM_TESTS {
            // One at a time: they compare the host's mounts and processes before and after.
            tests.arg("--test-threads=1");
        }
        prepare(&mut tests);
        totals += count(&mut tests)?;
    }
    let mut examples = workspace.cargo(&["test", "--doc", "--workspace", "--locked", "--no-fail-fast"]);
    prepare(&mut examples);
    totals += count(&mut examples)?;

    let skipped = fs::read_to_string(&skips).context(|| format!("read {}", skips.display()))?;
    totals.skip(skipped.lines().count() as u64);
    report(&skipped, totals);
    Ok(totals.failed == 0 && !(options.no_skips && totals.skipped > 0))
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
    fn an_unknown_flag_is_refused() {
        assert!(Options::parse(&["--no-skips"]).is_ok_and(|options| options.no_skips));
        assert!(Options::parse(&["--no-skip"]).is_err());
    }
}
