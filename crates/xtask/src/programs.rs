//! What cargo builds: the binary and the test programs, found by what cargo itself says, and run.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command;
use crate::error::{Error, Result};
use crate::totals::Totals;

/// A program that cargo built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// Of this package, whose directory is this.
    pub(crate) package: String,
    pub(crate) dir: PathBuf,
    /// The target's name.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// It holds tests.
    pub(crate) test: bool,
}

/// The words that build everything at once. Always the whole workspace: cargo builds a dependency anew for each other set
/// of packages, whose features differ.
pub(crate) const BUILD_ALL: &[&str] = &["test", "--no-run", "--workspace", "--locked"];

/// Runs a cargo that builds.
pub(crate) fn build(cargo: &mut Command) -> Result<Vec<Program>> {
    let mut built = Vec::new();
    let cargo = cargo.args(["--message-format", "json-render-diagnostics"]);
    if !command::lines(cargo, |line| built.extend(parse(line)))? {
        return Err(Error::new(format!("{} failed", command::words(cargo))));
    }
    Ok(built)
}

/// The `thinjail` among them.
pub(crate) fn thinjail(built: &[Program]) -> Result<&Path> {
    let thinjail = built.iter().find(|program| program.name == "thinjail" && !program.test);
    thinjail.map(|program| program.path.as_path()).ok_or_else(|| Error::new("cargo built no thinjail"))
}

fn parse(message: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(message).ok()?;
    let path = PathBuf::from(message.get("executable")?.as_str()?);
    let name = message.pointer("/target/name")?.as_str()?.to_owned();
    let test = message.pointer("/profile/test")?.as_bool()?;
    let dir = Path::new(message.get("manifest_path")?.as_str()?).parent()?.to_owned();
    // path+file:///clone/crates/plan#thinjail-plan@0.1.0, or with no name where the directory has the same.
    let (place, id) = message.get("package_id")?.as_str()?.split_once('#')?;
    let package = id.split_once('@').map_or_else(|| place.rsplit('/').next(), |(package, _)| Some(package))?;
    Some(Program { package: package.to_owned(), dir, name, path, test })
}

impl Program {
    /// The program as cargo would run it; one that hangs is ended after a while.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=10", "900"]).arg(&self.path);
        command.current_dir(&self.dir).env("CARGO_MANIFEST_DIR", &self.dir).env("CARGO_PKG_NAME", &self.package);
        command
    }
}

/// Runs tests, shows what they print and sums what they counted.
pub(crate) fn count(tests: &mut Command) -> Result<Totals> {
    let mut totals = Totals::default();
    let passed = command::lines(tests, |line| {
        println!("{line}");
        totals += Totals::parse_libtest(line).unwrap_or_default();
    })?;
    if !passed && totals.failed == 0 {
        // It died before it could count, or did not even build.
        println!("FAILED: {}", command::words(tests));
        totals.failed += 1;
    }
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_what_it_built() {
        let message = |id: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"path+file:///clone/{id}","target":{{"name":"resolve"}},
                "manifest_path":"/clone/x/Cargo.toml","profile":{{"test":true}},"executable":"/t/resolve-01"}}"#
            )
        };
        let built = |package: &str| {
            let (name, path) = ("resolve".into(), "/t/resolve-01".into());
            Some(Program { package: package.into(), dir: "/clone/x".into(), name, path, test: true })
        };
        assert_eq!(parse(&message("crates/plan#thinjail-plan@0.1.0")), built("thinjail-plan"));
        assert_eq!(parse(&message("crates/xtask#0.1.0")), built("xtask"));
        assert_eq!(parse(r#"{"executable":null}"#), None);
        assert_eq!(parse("warning: not JSON"), None);
    }

    #[test]
    fn a_test_program_that_dies_is_a_failure() {
        let totals = count(Command::new("sh").args(["-c", "kill -KILL $$"])).ok();
        assert_eq!(totals, Some(Totals { passed: 0, failed: 1, skipped: 0 }));
        let totals = count(Command::new("sh").args([
            "-c",
            "echo 'test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out'; exit 101",
        ]));
        assert_eq!(totals.ok(), Some(Totals { passed: 1, failed: 2, skipped: 0 }));
    }
}
