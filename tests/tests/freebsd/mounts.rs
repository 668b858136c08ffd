//! What is mounted, what devfs(5) shows, and what happens when a mount is busy.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use thinjail_plan::step::Step;
use thinjail_tests::freebsd::{mounts, sysctl};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip};

use crate::{profile, up};

#[test]
fn the_devices_are_those_that_are_named_and_few_others() {
    need!(skip::root());
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let names = |flags: &[&str]| {
        let listed = thinjail(["run", "--user", "root"]).args(flags).args(["--", "/bin/ls", "/dev"]).run();
        listed.expect_code(0).stdout.split_whitespace().map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["fd", "null", "random", "stderr", "stdin", "stdout", "urandom", "zero"]);
    let more = names(&["--devices", "full"]);
    assert_eq!(more, ["fd", "full", "null", "random", "stderr", "stdin", "stdout", "urandom", "zero"]);
    for device in ["mem", "kmem", "io", "pci", "console", "devctl", "ada0", "vtbd0", "mdctl", "klog", "ptmx", "tty"] {
        let script = format!("test -e /dev/{device}");
        let there = thinjail(["run", "--user", "root", "--", "/bin/sh", "-c", &script]).run();
        assert_eq!(there.code(), Some(1), "{device}: {}", there.stderr);
    }
    // Not every kernel has terminals.
    if fs::exists("/dev/ptmx").unwrap() {
        let script = "exec 3<>/dev/ptmx && echo got";
        let terminal = thinjail(["run", "--devices", "pts", "--", "/bin/sh", "-c", script]).run();
        assert_eq!(terminal.stdout, "got\n", "{terminal:?}");
    }
    before.assert_same_now(&[]);
}

#[test]
fn a_device_that_comes_later_is_not_seen_and_the_rules_go_after_the_mount() {
    need!(skip::root());
    need!(skip::program("devfs"));
    let _alone = alone();
    let temp = TempDir::new();
    let before = Snapshot::take(&[]);
    let sets = || said("devfs", &["rule", "showsets"]);
    let known = sets();
    let jail = up(&temp, "ruled", "");
    let own: Vec<String> = sets().into_iter().filter(|set| !known.contains(set)).collect();
    assert_eq!(own.len(), 1, "{own:?}");
    let rules = said("devfs", &["rule", "-s", &own[0], "show"]);
    assert!(rules[0].contains("thinjail of ruled") && rules[1].contains("path * hide"), "{rules:#?}");
    // A clone that is made now: the jail's devfs applies its rules to it.
    let _opened = fs::File::options().read(true).write(true).open("/dev/ptmx");
    let inside = fs::read_dir("/var/run/thinjail/roots/ruled/dev").unwrap();
    let names: Vec<String> = inside.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|name| name == "pts"), "{names:?}");
    jail.stop();
    before.assert_same_now(&[]);
}

/// A ruleset of the host's, until it is dropped.
struct Ruleset(&'static str);

impl Ruleset {
    fn new(number: &'static str) -> Self {
        for rule in [&["add", "hide"][..], &["add", "path", "full", "unhide"]] {
            said("devfs", &[&["rule", "-s", number], rule].concat());
        }
        Self(number)
    }
}

impl Drop for Ruleset {
    fn drop(&mut self) {
        said("devfs", &["rule", "-s", self.0, "delset"]);
    }
}

#[test]
fn a_ruleset_of_the_host_is_taken_if_it_has_rules() {
    need!(skip::root());
    need!(skip::program("devfs"));
    let _alone = alone();
    let temp = TempDir::new();
    let _ruleset = Ruleset::new("4712");
    let before = Snapshot::take(&[]);
    let with = |number: u16| {
        let profiles = profile(&temp, "ruled", "ls /dev", &format!("[freebsd.params]\ndevfs_ruleset = \"{number}\"\n"));
        let text = fs::read_to_string(profiles.join("ruled.toml")).unwrap();
        temp.profile("ruled", &text.replacen("[\"sleep\"]", "[\"ls\"]", 1));
        thinjail(["run", "ruled"]).profiles(&profiles).run()
    };
    assert_eq!(with(4712).expect_code(0).stdout, "full\n");
    with(4711).expect_code(125).expect_stderr(&["4711", "has no rules", "help:"]);
    before.assert_same_now(&[]);
}

/// What a command of the host says, line by line.
fn said(program: &str, args: &[&str]) -> Vec<String> {
    let said = Command::new(program).args(args).output().unwrap();
    String::from_utf8_lossy(&said.stdout).lines().map(String::from).collect()
}

#[test]
fn no_plan_mounts_a_single_file_below_14() {
    need!(skip::root());
    let version: u32 = sysctl("kern.osreldate").and_then(|version| version.parse().ok()).unwrap_or_default();
    let _alone = alone();
    let temp = TempDir::new();
    let file = temp.file("file", "one\n").display().to_string();
    let plan = thinjail(["plan", "--json", "--read", &file, "--programs", "cat,sh", "--", "/bin/echo"]).plan();
    let files = plan.host.iter().chain(&plan.inside).filter(|planned| {
        matches!(&planned.step, Step::Bind { source, .. } if source.kind != thinjail_closure::tree::Kind::Directory)
    });
    assert!(version >= 1_400_000 || files.count() == 0, "this kernel ({version}) panics on the mount of a single file");
    if version < 1_400_000 {
        let write = thinjail(["run", "--write", &file, "--", "/bin/echo", "ran"]).run();
        write.expect_code(125).expect_stderr(&[&file, "help:"]);
    }
}

#[test]
fn the_root_is_in_memory_and_every_mount_goes_with_the_jail() {
    need!(skip::root());
    need!(skip::program("mount"));
    let _alone = alone();
    let temp = TempDir::new();
    let data = temp.dir("data");
    let before = mounts();
    let more = format!("read = [\"{}\"]\n", data.display());
    let jail = up(&temp, "mounted", &more);
    let during: Vec<(PathBuf, String)> = mounts().into_iter().filter(|mount| !before.contains(mount)).collect();
    for kind in ["tmpfs", "devfs", "nullfs"] {
        assert!(during.iter().any(|(_, of)| of == kind), "no {kind} in {during:#?}");
    }
    jail.stop();
    assert_eq!(mounts(), before);
}

/// A process of the host that works in a directory, until it is dropped.
struct Busy(Child);

impl Busy {
    fn new(dir: &PathBuf) -> Self {
        let child = Command::new("sleep").arg("300").current_dir(dir).stdin(Stdio::null()).spawn().unwrap();
        Self(child)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn mounts_that_the_host_keeps_busy_go_all_the_same_and_the_data_stays() {
    need!(skip::root());
    need!(skip::program("mount"));
    let _alone = alone();
    let temp = TempDir::new();
    let data = temp.dir("data");
    let file = temp.file("data/file", "precious\n");
    let before = mounts();
    let more = format!("write = [\"{}\"]\n", data.display());
    let jail = up(&temp, "busy", &more);
    let ours: Vec<PathBuf> = mounts().into_iter().filter(|mount| !before.contains(mount)).map(|(at, _)| at).collect();
    assert!(!ours.is_empty());
    let held: Vec<Busy> = ours.iter().map(Busy::new).collect();
    jail.stop();
    drop(held);
    assert_eq!(mounts(), before);
    assert_eq!(fs::read_to_string(file).unwrap(), "precious\n");
}

#[test]
fn proc_and_descriptors_are_there_on_request_only() {
    need!(skip::root());
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let without = thinjail(["run", "--", "/bin/sh", "-c", "test -e /proc/curproc"]).run();
    assert_eq!(without.code(), Some(1), "{}", without.stderr);
    let with = thinjail(["run", "--proc", "full", "--", "/bin/sh", "-c", "test -e /proc/curproc/status"]).run();
    with.expect_code(0);
    let script = "exec 7</dev/null; test -e /dev/fd/7";
    let without = thinjail(["run", "--", "/bin/sh", "-c", script]).run();
    assert_eq!(without.code(), Some(1), "{}", without.stderr);
    let with = thinjail(["run", "--devices", "fd", "--", "/bin/sh", "-c", script]).run();
    with.expect_code(0);
    before.assert_same_now(&[]);
}

#[test]
fn a_mount_inside_a_mount_is_refused_by_the_jails_rights() {
    need!(skip::root());
    let mount = need!(skip::program("mount")).display().to_string();
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let temp = TempDir::new();
    let profiles =
        profile(&temp, "mounter", &format!("{mount} -t tmpfs tmpfs /tmp"), "programs = [\"mount\"]\ntmp = true\n");
    let profiles = {
        // The one list of programs that `profile` writes already.
        let text = fs::read_to_string(profiles.join("mounter.toml")).unwrap();
        temp.profile("mounter", &text.replacen("programs = [\"sleep\"]\n", "", 1))
    };
    let refused = thinjail(["run", "mounter"]).profiles(&profiles).run();
    assert!(refused.code() != Some(0) && refused.code() != Some(125), "{refused:?}");
    before.assert_same_now(&[]);
}
