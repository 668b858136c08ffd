//! `cargo xtask dist`: the release for Linux, static and with musl, and the tests that this very binary has to pass.

mod order;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::Endianness;
use object::elf::{FileHeader64, PT_DYNAMIC, PT_INTERP};
use object::read::elf::{FileHeader, ProgramHeader};

use crate::bench;
use crate::cross::{MUSL, Toolchain};
use crate::error::{Context, Error, Result};
use crate::programs::{self, BUILD_ALL, Program, count};
use crate::totals::Totals;
use crate::workspace::Workspace;

/// Programs with tests whose answer another libc or allocator could change: real daemons, supervision of weeks in short,
/// whatever a jail is made of, and what is printed.
const TESTS: &[(&str, &str)] = &[
    ("thinjail", "cli"),
    ("thinjail-tests", "daemons"),
    ("thinjail-tests", "hardening"),
    ("thinjail-tests", "life"),
    ("thinjail-tests", "limits"),
    ("thinjail-tests", "listen"),
    ("thinjail-tests", "runtimes"),
    ("thinjail-tests", "scenarios"),
    ("thinjail-tests", "seccomp"),
    ("thinjail-tests", "service"),
    ("thinjail-tests", "supervision"),
];

/// `dist [test]`.
pub(crate) fn dist(workspace: &Workspace, words: &[&str]) -> Result<bool> {
    match words {
        [] => {
            println!("{}", build(workspace)?.display());
            Ok(true)
        }
        ["test"] => {
            let totals = test(workspace)?;
            println!("{totals}");
            Ok(totals.failed == 0 && totals.passed > 0)
        }
        ["order"] => order::order(workspace),
        _ => Err(Error::new("cargo xtask dist has nothing but test and order")),
    }
}

/// What the linker is told of the order of functions; written by `dist order`.
const SCRIPT: &str = "crates/cli/start.ld";

/// Builds target/dist/thinjail and gives its path.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let thinjail = build_with(workspace, None)?;
    let data = fs::read(&thinjail).context(|| format!("read {}", thinjail.display()))?;
    let parsed = || format!("parse {}", thinjail.display());
    if let Some(what) = needed(&data).context(parsed)? {
        return Err(Error::new(format!("{} is not static: it has {what}", thinjail.display())));
    }
    if !order::is_ordered(&data).context(parsed)? {
        return Err(Error::new(format!("{} was linked without {SCRIPT}", thinjail.display())));
    }
    Ok(thinjail)
}

/// The same with another word for what is stripped from it, and not looked at.
fn build_with(workspace: &Workspace, strip: Option<&str>) -> Result<PathBuf> {
    let words = ["build", "--release", "--package", "thinjail", "--locked"];
    let mut cargo = Toolchain::ready(workspace)?.cargo(workspace, &MUSL, &words)?;
    cargo.env("THINJAIL_ORDER", workspace.root().join(SCRIPT));
    if let Some(strip) = strip {
        cargo.env("CARGO_PROFILE_RELEASE_STRIP", strip);
    }
    let built = programs::build(&mut cargo)?;
    let thinjail = workspace.dir("dist")?.join("thinjail");
    copy(programs::thinjail(&built)?, &thinjail)?;
    Ok(thinjail)
}

/// What of the host a program would need to be loaded.
fn needed(data: &[u8]) -> object::Result<Option<&'static str>> {
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let kinds: Vec<_> = header.program_headers(endian, data)?.iter().map(|segment| segment.p_type(endian)).collect();
    Ok([(PT_INTERP, "an interpreter"), (PT_DYNAMIC, "a dynamic section")]
        .iter()
        .find_map(|(kind, what)| kinds.contains(kind).then_some(*what)))
}

/// The release through its tests. What they skip was counted where all of them ran.
pub(crate) fn test(workspace: &Workspace) -> Result<Totals> {
    let thinjail = build(workspace)?;
    let built = programs::build(&mut workspace.cargo(BUILD_ALL))?;
    let skips = workspace.dir("dist")?.join("skips");
    fs::write(&skips, "").context(|| format!("write {}", skips.display()))?;
    // The tests look for their own programs beside it.
    for program in built.iter().filter(|program| !program.test && program.package == "thinjail-tests") {
        copy(&program.path, &thinjail.with_file_name(&program.name))?;
    }
    let mut totals = Totals::default();
    for (package, name) in TESTS {
        let program =
            built.iter().find(|program| program.test && (&*program.package, &*program.name) == (package, name));
        let program = program.ok_or_else(|| Error::new(format!("cargo built no tests {package} {name}")))?;
        println!("\n--- {package} {name}, of the release");
        totals += count(&mut tests(program, &thinjail, &skips))?;
    }
    totals += listing(programs::thinjail(&built)?, &thinjail)?;
    let skipped = fs::read_to_string(&skips).context(|| format!("read {}", skips.display()))?;
    totals.passed = totals.passed.saturating_sub(skipped.lines().count() as u64);
    Ok(totals)
}

fn tests(program: &Program, thinjail: &Path, skips: &Path) -> Command {
    let mut tests = program.command();
    tests.arg("--test-threads=1").env("THINJAIL_BIN", thinjail).env("THINJAIL_SKIPS", skips).env("INSTA_UPDATE", "no");
    tests.env_remove("THINJAIL_NO_SKIPS");
    tests
}

/// Of all programs of the machine both builds say the same; counted as one test.
fn listing(usual: &Path, release: &Path) -> Result<Totals> {
    let programs = bench::elf_programs();
    let said = |thinjail: &Path| {
        // Some of the machine's programs may lack a library, which is an answer, too.
        let output = Command::new(thinjail).arg("ldd").args(&programs).output();
        output.context(|| format!("run {}", thinjail.display())).map(|it| (it.status.code(), it.stdout, it.stderr))
    };
    let (usual, release) = (said(usual)?, said(release)?);
    let same = usual == release && usual.1.len() > programs.len();
    let verdict = if same { "ok" } else { "FAILED" };
    println!("\nldd of {} programs, {} bytes, alike in both builds: {verdict}", programs.len(), usual.1.len());
    Ok(Totals { passed: u64::from(same), failed: u64::from(!same), skipped: 0 })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    // One that runs can't be written to.
    if to.exists() {
        fs::remove_file(to).context(|| format!("remove {}", to.display()))?;
    }
    fs::copy(from, to).map(drop).context(|| format!("copy {} to {}", from.display(), to.display()))
}

/// How the binary was made, for a page of measurements.
pub(crate) fn about(thinjail: &Path) -> String {
    let bytes = fs::metadata(thinjail).map_or(0, |meta| meta.len());
    format!("`cargo xtask dist`: {}, static, {} KiB", MUSL.name, bytes / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_loaded_by_another_is_no_release() {
        let data = fs::read("/bin/sh").unwrap_or_default();
        assert_eq!(needed(&data).ok(), Some(Some("an interpreter")));
        assert!(needed(b"#!/bin/sh").is_err());
    }

    #[test]
    fn two_builds_that_differ_have_failed() {
        let of = |usual: &str, release: &str| listing(Path::new(usual), Path::new(release)).ok();
        assert_eq!(of("echo", "echo"), Some(Totals { passed: 1, failed: 0, skipped: 0 }));
        assert_eq!(of("echo", "printf"), Some(Totals { passed: 0, failed: 1, skipped: 0 }));
        // To say nothing is no agreement.
        assert_eq!(of("true", "true"), Some(Totals { passed: 0, failed: 1, skipped: 0 }));
    }
}
