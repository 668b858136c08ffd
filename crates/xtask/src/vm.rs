//! A small virtual machine of our own making: Debian's stable kernel (6.1, so the older mount calls are tested too), systemd
//! as pid 1 and cgroup v2 with every controller. Booted by QEMU in software emulation, which needs no permission at all.
//!
//! `cargo xtask vm run DIR SCRIPT` has the shape of a runner: it brings DIR into the machine, runs `sh SCRIPT` there as root
//! with DIR as the working directory, prints its output and ends with its status.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::error::{Context, Error, Result};
use crate::packages;
use crate::programs::{BUILD_ALL, build};
use crate::totals::Totals;
use crate::workspace::Workspace;

/// What is in the machine besides Debian's minimal system.
const PACKAGES: &[&str] = &[
    "bind9-dnsutils",
    "busybox-static",
    "curl",
    "dns-root-data",
    "dnsmasq",
    "gcc",
    "gunicorn",
    "haproxy",
    "libc6-dev",
    "libmemcached-tools",
    "libnginx-mod-http-echo",
    "linux-image-cloud-amd64",
    "logrotate",
    "memcached",
    "netbase",
    "nginx",
    // A daemon that no profile is shipped for.
    "ngircd",
    "nodejs",
    "openjdk-17-jdk-headless",
    "openssh-client",
    "openssh-server",
    "openssl",
    "perl",
    "php8.2-fpm",
    "postgresql-15",
    "procps",
    "python3-minimal",
    "redis-server",
    "redis-tools",
    "strace",
    "systemd-sysv",
    "unbound",
];

/// Starts the script that the kernel's command line names once the system is up, shows its output on the serial line, and
/// switches the machine off. The job has a disk of its own, which fstab(5) would have wait for udev: too long on a busy machine.
const UNIT: &str = "\
[Unit]
Description=the script of cargo xtask vm
After=basic.target
[Service]
Type=oneshot
ExecStart=/bin/mount /dev/vdb /job
ExecStart=/bin/sh -c 'cd /job && sh \"./$${SCRIPT}\"; echo \"vm-status $$?\"'
ExecStopPost=/bin/systemctl poweroff --force --force
StandardOutput=file:/dev/ttyS0
StandardError=file:/dev/ttyS0
[Install]
WantedBy=multi-user.target
";

/// What a machine is made of, below target/vm: Debian as it was installed, on a disk that is never written to.
struct Disk {
    dir: PathBuf,
}

impl Disk {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Makes it once, or takes the one of an earlier run.
    fn ready(workspace: &Workspace) -> Result<Self> {
        let disk = Self { dir: workspace.dir("vm")? };
        let stamp = disk.path("stamp");
        let wanted = format!("{}\n{UNIT}", PACKAGES.join(" "));
        if !fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
            let tree = disk.tree()?;
            for (name, prefix) in [("vmlinuz", "vmlinuz-"), ("initrd", "initrd.img-")] {
                let from = named(&tree.join("boot"), prefix)?;
                fs::copy(&from, disk.path(name)).context(|| format!("copy {}", from.display()))?;
            }
            filesystem(&tree, &disk.path("base.img"), "6G")?;
            // Its files are on the disk now, and once is enough: they are the largest of all that our chores leave.
            fs::remove_dir_all(&tree).context(|| format!("remove {}", tree.display()))?;
            fs::write(&stamp, wanted).context(|| format!("write {}", stamp.display()))?;
        }
        Ok(disk)
    }

    /// Debian's files, in a directory.
    fn tree(&self) -> Result<PathBuf> {
        let tree = self.path("tree");
        if tree.exists() {
            fs::remove_dir_all(&tree).context(|| format!("remove {}", tree.display()))?;
        }
        let include = format!("--include={}", PACKAGES.join(","));
        let log = self.path("debootstrap.log");
        let out = fs::File::create(&log).context(|| format!("write {}", log.display()))?;
        let errors = out.try_clone().context(|| format!("write {}", log.display()))?;
        let mut debootstrap = Command::new("debootstrap");
        debootstrap
            .args(["--variant=minbase", &include, "bookworm"])
            .arg(&tree)
            .arg(packages::mirror()?)
            .stdout(out)
            .stderr(errors);
        if !command::succeeds(&mut debootstrap)? {
            return Err(Error::new(format!("debootstrap failed; see {}", log.display())));
        }
        let units = tree.join("etc/systemd/system");
        // It would hang up the line that the script prints to.
        std::os::unix::fs::symlink("/dev/null", units.join("serial-getty@ttyS0.service"))
            .context(|| "mask the login on the serial line".to_owned())?;
        // A quarter of an hour after the boot it would mount something, and a test compares the mounts before and after it.
        std::os::unix::fs::symlink("/dev/null", units.join("systemd-tmpfiles-clean.timer"))
            .context(|| "mask the timer that cleans up".to_owned())?;
        fs::write(units.join("job.service"), UNIT).context(|| "write the unit".to_owned())?;
        let wants = units.join("multi-user.target.wants");
        // The tests start the daemons themselves.
        for unit in fs::read_dir(&wants).context(|| format!("list {}", wants.display()))?.flatten() {
            fs::remove_file(unit.path()).context(|| format!("disable {}", unit.path().display()))?;
        }
        std::os::unix::fs::symlink("../job.service", wants.join("job.service"))
            .context(|| "enable the unit".to_owned())?;
        fs::create_dir(tree.join("job")).context(|| "make the directory of the job".to_owned())?;
        fs::remove_dir_all(tree.join("var/cache/apt/archives"))
            .context(|| "remove the downloaded packages".to_owned())?;
        Ok(tree)
    }
}

/// An ext4 of that size with what is in `dir`.
fn filesystem(dir: &Path, image: &Path, size: &str) -> Result<()> {
    let _ = fs::remove_file(image);
    command::run(Command::new("mkfs.ext4").args(["-q", "-d"]).arg(dir).arg(image).arg(size))
}

/// The only file of a directory whose name begins so.
fn named(dir: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(dir).context(|| format!("list {}", dir.display()))?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
        .ok_or_else(|| Error::new(format!("find {prefix}* in {}", dir.display())))
}

/// Runs `script`, a file of `dir`, in a machine that has a copy of `dir`, and hands on each line that it prints. Whether it
/// ended with status 0.
pub(crate) fn run(workspace: &Workspace, dir: &Path, script: &str, mut each: impl FnMut(&str)) -> Result<bool> {
    let disk = Disk::ready(workspace)?;
    let (root, job) = (disk.path("root.qcow2"), disk.path("job.img"));
    let _ = fs::remove_file(&root);
    // Only what the machine writes takes room.
    let mut overlay = Command::new("qemu-img");
    command::run(overlay.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b", "base.img"]).arg(&root))?;
    filesystem(dir, &job, "3G")?;
    let mut qemu = Command::new("timeout");
    qemu.args(["2400", "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048"]);
    qemu.args(["-nographic", "-no-reboot", "-nic", "none", "-kernel"]).arg(disk.path("vmlinuz"));
    qemu.arg("-initrd").arg(disk.path("initrd"));
    let kernel = "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=0 panic=-1";
    qemu.arg("-append").arg(format!("{kernel} systemd.setenv=SCRIPT={script}"));
    for (file, format) in [(&root, "qcow2"), (&job, "raw")] {
        qemu.arg("-drive").arg(format!("file={},format={format},if=virtio,cache=unsafe", file.display()));
    }
    let mut status = None;
    // Once more from the same disks, where the script has cut the machine off and says so.
    for _ in 0..2 {
        let mut again = false;
        command::lines(&mut qemu, |line| {
            let line = line.trim_end_matches('\r');
            match line.strip_prefix("vm-status ") {
                Some(code) => status = code.trim().parse::<i32>().ok(),
                None if line == "vm-again" => again = true,
                None => each(line),
            }
        })?;
        if !again || status.is_some() {
            break;
        }
    }
    for file in [root, job] {
        let _ = fs::remove_file(file);
    }
    match status {
        Some(code) => Ok(code == 0),
        None => Err(Error::new("the virtual machine ended before its script did")),
    }
}

/// The script that cuts the machine off, and looks at what is left.
const CUT: &str = include_str!("../vm-cut.sh");

/// What comes first in a script that ends with [`CUT_OFF`]: its second half, with the status of the first.
const CUT_AFTER: &str = "\
if [ -e .cut ]; then
status=$(cat .cut)
if sh vm-cut.sh after; then echo 'test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out'
else echo 'test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out'; status=1
fi
exit \"$status\"
fi
";

/// What comes last. It only goes on where it could not be done.
const CUT_OFF: &str = "echo \"$status\" >.cut\nsh vm-cut.sh before\nrm .cut\nstatus=1\n";

/// `cargo xtask vm cut`: only that.
pub(crate) fn cut(workspace: &Workspace) -> Result<bool> {
    let dir = workspace.dir("vm")?.join("cut");
    if dir.exists() {
        fs::remove_dir_all(&dir).context(|| format!("remove {}", dir.display()))?;
    }
    fs::create_dir_all(&dir).context(|| format!("make {}", dir.display()))?;
    let thinjail = build(&mut workspace.cargo(&["build", "--locked"]))?;
    let thinjail = crate::programs::thinjail(&thinjail)?;
    fs::copy(thinjail, dir.join("thinjail")).context(|| format!("copy {}", thinjail.display()))?;
    fs::write(dir.join("vm-cut.sh"), CUT).context(|| "write vm-cut.sh".to_owned())?;
    let script = format!("{CUT_AFTER}chown -R 0:0 .\nstatus=0\nuname -sr\n{CUT_OFF}exit 1\n");
    fs::write(dir.join("run.sh"), script).context(|| "write run.sh".to_owned())?;
    run(workspace, &dir, "run.sh", |line| println!("vm: {line}"))
}

/// The system tests that run in the machine: what depends on the kernel's version or on the init system. Each needs nothing
/// from outside. Not those that start hundreds of jails at random moments, which take too long in emulation, nor those of
/// isolation = "landlock", which this kernel is too old for.
const TESTS: &[&str] =
    &["article", "daemons", "exact", "hardening", "init", "limits", "refusals", "seccomp", "supervision"];

/// Those of them that take minutes there, and are about what is written and no init system: sysvinit's run has them.
const SLOW: &[&str] = &["an_adoption_that_was_killed_can_be_undone", "a_file_that_was_changed_meanwhile_stays"];

/// `cargo xtask vm test`: the system tests on the machine's kernel.
pub(crate) fn test(workspace: &Workspace, no_skips: bool) -> Result<Totals> {
    let dir = workspace.dir("vm")?.join("pack");
    if dir.exists() {
        fs::remove_dir_all(&dir).context(|| format!("remove {}", dir.display()))?;
    }
    fs::create_dir_all(&dir).context(|| format!("make {}", dir.display()))?;
    let mut names = Vec::new();
    let mut probe = None;
    for program in build(&mut workspace.cargo(BUILD_ALL))? {
        let name = program.name;
        if program.test && !TESTS.contains(&name.as_str()) {
            continue;
        }
        fs::copy(&program.path, dir.join(&name)).context(|| format!("copy {}", program.path.display()))?;
        if program.test {
            names.push(name);
        } else if name == "probe" {
            probe = Some(program.path);
        }
    }
    for test in TESTS {
        if !names.iter().any(|name| name == test) {
            return Err(Error::new(format!("find the system test {test} among what was built")));
        }
    }
    command::run(Command::new("cp").args(["-a", "profiles"]).arg(&dir).current_dir(workspace.root()))?;
    // The tests look for the profiles where the sources are, and for the probe where it was built.
    let root = workspace.root().display();
    let probe = probe.ok_or_else(|| Error::new("find the probe among what was built"))?;
    let home = probe.parent().unwrap_or(&probe).display();
    fs::write(dir.join("vm-cut.sh"), CUT).context(|| "write vm-cut.sh".to_owned())?;
    let mut script = format!(
        "{CUT_AFTER}mkdir -p '{root}' '{home}'\ncp -a profiles '{root}/'\ncp probe '{home}/'\nexport THINJAIL_BIN=$PWD/thinjail THINJAIL_SKIPS=$PWD/skips THINJAIL_INIT=systemd\n\
         mkdir -p /usr/share/thinjail\ncp profiles/*.toml /usr/share/thinjail/\n\
         chown -R 0:0 .\n: >skips\nstatus=0\nuname -sr\n"
    );
    let skipped: String = SLOW.iter().map(|test| format!(" --skip {test}")).collect();
    for name in &names {
        script.push_str(&format!("./{name} --test-threads=1{skipped} || status=1\n"));
    }
    script.push_str("while read -r line; do echo \"vm-skip $line\"; done <skips\n");
    script.push_str(CUT_OFF);
    script.push_str("exit $status\n");
    fs::write(dir.join("run.sh"), script).context(|| "write run.sh".to_owned())?;
    let mut totals = Totals::default();
    let passed = run(workspace, &dir, "run.sh", |line| {
        println!("vm: {line}");
        totals += Totals::parse_libtest(line).unwrap_or_default();
        if line.starts_with("vm-skip ") {
            totals.skip(1);
        }
    })?;
    if totals.passed == 0 || (!passed && totals.failed == 0) || (no_skips && totals.skipped > 0) {
        totals.failed += 1;
    }
    Ok(totals)
}
