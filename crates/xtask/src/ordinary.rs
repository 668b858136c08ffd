//! The tests that need no root, run by an ordinary user. Copied to where that user may go: a checkout may be root's alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::error::{Context, Result};
use crate::programs::{self, BUILD_ALL, Program, count};
use crate::totals::Totals;
use crate::workspace::Workspace;

/// Programs with tests that do something without root: package and name.
const TESTS: &[(&str, &str)] = &[
    ("thinjail", "cli"),
    ("thinjail-closure", "real_loader"),
    ("thinjail-plan", "plans"),
    ("thinjail-plan", "refused"),
    ("thinjail-tests", "listen"),
    ("thinjail-tests", "unprivileged"),
    ("thinjail-tests", "unsupervised"),
];

/// Whoever has no privilege at all.
const NOBODY: u32 = 65534;

/// Runs them, as nobody where the caller is root. What they skip was counted where root ran it.
pub(crate) fn test(workspace: &Workspace) -> Result<Totals> {
    let built = programs::build(&mut workspace.cargo(BUILD_ALL))?;
    let dir = std::env::temp_dir().join(format!("thinjail-ordinary-{}", std::process::id()));
    fs::create_dir(&dir).context(|| format!("make {}", dir.display()))?;
    let done = run(&built, &dir);
    fs::remove_dir_all(&dir).context(|| format!("remove {}", dir.display()))?;
    done
}

fn run(built: &[Program], dir: &Path) -> Result<Totals> {
    open(dir, 0o755)?;
    let thinjail = dir.join("thinjail");
    copy(programs::thinjail(built)?, &thinjail)?;
    let skips = dir.join("skips");
    fs::write(&skips, "").context(|| format!("write {}", skips.display()))?;
    open(&skips, 0o666)?;
    let mut totals = Totals::default();
    let wanted = |program: &&Program| TESTS.contains(&(program.package.as_str(), program.name.as_str()));
    for program in built.iter().filter(|program| program.test).filter(wanted) {
        println!("\n--- {} {}, as an ordinary user", program.package, program.name);
        let tests = dir.join(&program.name);
        copy(&program.path, &tests)?;
        // Where the sources lie that it reads, if the user may.
        let mut command = Command::new("timeout");
        command.args(["--kill-after=10", "900"]);
        if rustix::process::geteuid().is_root() {
            let (uid, gid) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
            command.args(["setpriv", &uid, &gid, "--clear-groups"]);
        }
        command.arg(&tests).arg("--test-threads=1").current_dir(dir);
        command.env("CARGO_MANIFEST_DIR", &program.dir).env("THINJAIL_BIN", &thinjail).env("THINJAIL_SKIPS", &skips);
        command.env("INSTA_UPDATE", "no").env_remove("THINJAIL_NO_SKIPS");
        totals += count(&mut command)?;
    }
    let skipped = fs::read_to_string(&skips).context(|| format!("read {}", skips.display()))?;
    totals.passed = totals.passed.saturating_sub(skipped.lines().count() as u64);
    println!("\n{} tests passed as an ordinary user, {} failed", totals.passed, totals.failed);
    Ok(totals)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).context(|| format!("copy {}", from.display()))?;
    open(to, 0o755)
}

fn open(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).context(|| format!("chmod {}", path.display()))
}
