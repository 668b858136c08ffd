//! What goes to the other system: one directory that needs nothing beside itself.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::programs::Program;
use crate::workspace::Workspace;

/// The script in it that runs all.
pub(super) const SCRIPT: &str = "run.sh";
const SCRIPT_TEXT: &str = include_str!("../../freebsd-run.sh");

/// The rooms whose tests run there, and their directories below crates/: those that touch no Linux.
const ROOMS: &[(&str, &str)] =
    &[("thinjail-closure", "closure"), ("thinjail-plan", "plan"), ("thinjail-jail", "jail"), ("thinjail", "cli")];

/// The system tests that run there, as root and one at a time, and the programs beside `thinjail` that they use.
const SYSTEM: &str = "thinjail-tests";
const SYSTEM_TESTS: &[&str] = &["scenarios", "freebsd"];
const SYSTEM_PROGRAMS: &[&str] = &["inmate"];

/// What tests read at run time: their snapshots and data.
const TREES: &[&str] = &["crates/closure", "crates/plan", "crates/jail", "crates/cli", "profiles", "man"];

/// Lays it all out below target/ and gives the directory.
pub(super) fn pack(workspace: &Workspace, built: &[Program]) -> Result<PathBuf> {
    let dir = workspace.dir("freebsd")?.join("pack");
    if dir.exists() {
        fs::remove_dir_all(&dir).context(|| format!("remove {}", dir.display()))?;
    }
    for program in built {
        if let Some(place) = place(program) {
            copy(&program.path, &dir.join(place))?;
        }
    }
    for tree in TREES {
        copy_tree(&workspace.root().join(tree), &dir.join("tree").join(tree))?;
    }
    let script = dir.join(SCRIPT);
    fs::write(&script, SCRIPT_TEXT).context(|| format!("write {}", script.display()))?;
    if let Some(lost) = ["thinjail", "tests", "system"].iter().find(|name| !dir.join(name).exists()) {
        return Err(Error::new(format!("pack for FreeBSD: {lost} was not built")));
    }
    Ok(dir)
}

/// Where a program goes; None for one that stays here.
fn place(program: &Program) -> Option<PathBuf> {
    let name = program.name.as_str();
    if !program.test {
        return (name == "thinjail" || SYSTEM_PROGRAMS.contains(&name)).then(|| name.into());
    }
    if program.package == SYSTEM {
        return SYSTEM_TESTS.contains(&name).then(|| Path::new("system").join(name));
    }
    let (_, room) = ROOMS.iter().find(|(package, _)| *package == program.package)?;
    // Two programs of a room may have one name, as its library and a test of it; their file names differ.
    Some(Path::new("tests").join(room).join(program.path.file_name()?))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).context(|| format!("make {}", parent.display()))?;
    }
    fs::copy(from, to).map(drop).context(|| format!("copy {} to {}", from.display(), to.display()))
}

/// Files and directories; a tree that isn't there is an empty one, and what is neither stays behind.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    for entry in entries {
        let entry = entry.context(|| format!("read {}", from.display()))?;
        let kind = entry.file_type().context(|| format!("look at {}", entry.path().display()))?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &to.join(entry.file_name()))?;
        } else if kind.is_file() {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(package: &str, name: &str, test: bool) -> Program {
        let path = format!("/x/{name}-01").into();
        Program { package: package.into(), dir: "/clone".into(), name: name.into(), path, test }
    }

    #[test]
    fn the_binary_and_the_tests_that_can_run_there_are_packed() {
        assert_eq!(place(&built("thinjail", "thinjail", false)), Some("thinjail".into()));
        assert_eq!(place(&built("thinjail-plan", "resolve", true)), Some("tests/plan/resolve-01".into()));
        assert_eq!(place(&built("thinjail-tests", "inmate", false)), Some("inmate".into()));
        assert_eq!(place(&built("thinjail-tests", "freebsd", true)), Some("system/freebsd".into()));
        assert_eq!(place(&built("thinjail-tests", "hardening", true)), None);
        assert_eq!(place(&built("thinjail-sys", "thinjail_sys", true)), None);
        assert_eq!(place(&built("xtask", "xtask", false)), None);
    }
}
