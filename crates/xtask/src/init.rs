//! Init systems that really run, for the tests of our services: sysvinit, OpenRC and runit of Debian, each as pid 1 of its own
//! namespaces upon a tree below target/. systemd runs in the virtual machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::command;
use crate::error::{Context, Error, Result};
use crate::packages;
use crate::programs::{self, BUILD_ALL};
use crate::totals::Totals;
use crate::workspace::Workspace;

/// What is in both trees.
const PACKAGES: &[&str] = &[
    "curl",
    "initscripts",
    "insserv",
    "logrotate",
    "netbase",
    "nginx",
    // A daemon that no profile is shipped for.
    "ngircd",
    "procps",
    "redis-server",
    "redis-tools",
    "runit",
    "sysv-rc",
    "sysvinit-core",
];

/// Each with its tree.
const SYSTEMS: [(&str, &str); 3] = [("sysv", "sysvinit"), ("openrc", "openrc"), ("runit", "sysvinit")];

/// The test program.
pub(crate) const PROGRAM: &str = "init";

/// How long one of them may take.
const PATIENCE: Duration = Duration::from_secs(400);

/// `cargo xtask init test`.
pub(crate) fn test(workspace: &Workspace) -> Result<Totals> {
    let trees = trees(workspace)?;
    let built = programs::build(&mut workspace.cargo(BUILD_ALL))?;
    let tests =
        built.iter().find(|program| program.test && program.package == "thinjail-tests" && program.name == PROGRAM);
    let tests = &tests.ok_or_else(|| Error::new("find the tests of init systems among what was built"))?.path;
    let thinjail = programs::thinjail(&built)?;
    let mut totals = Totals::default();
    for (system, tree) in SYSTEMS {
        println!("\n--- {system}");
        let job = workspace.dir("init")?.join(format!("job-{system}"));
        prepare(workspace, &job, system, tests, thinjail)?;
        let counted = boot(workspace, &trees.join(tree), &job, system)?;
        println!("{system}: {counted}");
        totals += counted;
    }
    Ok(totals)
}

/// Makes both trees once, or takes those of an earlier run.
fn trees(workspace: &Workspace) -> Result<PathBuf> {
    let dir = workspace.dir("init")?;
    let stamp = dir.join("stamp");
    let wanted = PACKAGES.join(" ");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(dir);
    }
    let (sysvinit, openrc) = (dir.join("sysvinit"), dir.join("openrc"));
    for tree in [&sysvinit, &openrc] {
        if tree.exists() {
            fs::remove_dir_all(tree).context(|| format!("remove {}", tree.display()))?;
        }
    }
    let log = dir.join("debootstrap.log");
    let out = fs::File::create(&log).context(|| format!("write {}", log.display()))?;
    let copy = || out.try_clone().context(|| format!("write {}", log.display()));
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", &format!("--include={}", PACKAGES.join(",")), "bookworm"]);
    debootstrap.arg(&sysvinit).arg(packages::mirror()?);
    if !command::succeeds(debootstrap.stdout(copy()?).stderr(copy()?))? {
        return Err(Error::new(format!("debootstrap failed; see {}", log.display())));
    }
    // OpenRC takes the place of sysv-rc, which debootstrap can't resolve and apt can.
    command::run(Command::new("cp").arg("-a").arg(&sysvinit).arg(&openrc))?;
    command::run(Command::new("cp").arg("/etc/resolv.conf").arg(openrc.join("etc/resolv.conf")))?;
    let mut apt = Command::new("chroot");
    apt.arg(&openrc).args(["apt-get", "-y", "--no-install-recommends", "install", "openrc"]);
    apt.env("DEBIAN_FRONTEND", "noninteractive").stdout(copy()?).stderr(copy()?);
    if !command::succeeds(&mut apt)? {
        return Err(Error::new(format!("the installation of openrc failed; see {}", log.display())));
    }
    fs::write(&stamp, wanted).context(|| format!("write {}", stamp.display()))?;
    Ok(dir)
}

/// The directory that the booted system sees as /job.
fn prepare(workspace: &Workspace, job: &Path, system: &str, tests: &Path, thinjail: &Path) -> Result<()> {
    if job.exists() {
        fs::remove_dir_all(job).context(|| format!("remove {}", job.display()))?;
    }
    fs::create_dir_all(job).context(|| format!("make {}", job.display()))?;
    for (from, name) in [(tests, PROGRAM), (thinjail, "thinjail")] {
        fs::copy(from, job.join(name)).context(|| format!("copy {}", from.display()))?;
    }
    command::run(Command::new("cp").args(["-a", "profiles"]).arg(job).current_dir(workspace.root()))?;
    let run = format!(
        "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
         export THINJAIL_BIN=/usr/bin/thinjail THINJAIL_INIT={system} THINJAIL_NO_SKIPS=1\n\
         sleep 1\n/job/{PROGRAM} --test-threads=1 >/job/out 2>&1\necho $? >/job/status.new\nmv /job/status.new /job/status\n"
    );
    fs::write(job.join("run"), run).context(|| "write the job".to_owned())?;
    fs::write(job.join("boot.sh"), include_str!("../boot.sh")).context(|| "write boot.sh".to_owned())
}

/// Everything in the namespaces goes with the one that made them.
struct Booted(Child);

impl Drop for Booted {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Boots it, waits for the job, and counts what it printed.
fn boot(workspace: &Workspace, tree: &Path, job: &Path, system: &str) -> Result<Totals> {
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child"]);
    unshare.args(["--propagation", "private", "sh"]).arg(job.join("boot.sh")).arg(tree).arg(job).arg(system);
    unshare.current_dir(workspace.root()).stdin(Stdio::null());
    let mut booted = Booted(unshare.spawn().context(|| "run unshare".to_owned())?);
    let (status, start) = (job.join("status"), Instant::now());
    while !status.exists() && start.elapsed() < PATIENCE {
        if let Ok(Some(ended)) = booted.0.try_wait() {
            return Err(Error::new(format!("{system} ended with {ended} before its job did")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(booted);
    let said = fs::read(job.join("out")).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let mut totals = Totals::default();
    for line in said.lines() {
        println!("{system}: {line}");
        totals += Totals::parse_libtest(line).unwrap_or_default();
    }
    let passed = fs::read_to_string(&status).is_ok_and(|status| status.trim() == "0");
    if totals.passed == 0 || (!passed && totals.failed == 0) {
        totals.failed += 1;
    }
    Ok(totals)
}
