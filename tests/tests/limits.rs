//! Limits of the whole jail: they hold for everybody inside, the host goes on, and what was hit is told.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use thinjail_tests::host::alone;
use thinjail_tests::jail::{Running, thinjail};
use thinjail_tests::process::Process;
use thinjail_tests::temp::TempDir;
use thinjail_tests::wait::until_true;
use thinjail_tests::{need, skip};

const PERL: &str = "/usr/bin/perl";

/// The directory in which groups for a limit are made.
fn parent(limit: &str) -> Result<PathBuf, skip::Lack> {
    skip::namespaces()?;
    let facts = thinjail(["facts", "--limits", &format!("{limit}=1000000"), "--", PERL]).run();
    let facts: Value = serde_json::from_str(&facts.expect_code(0).stdout).unwrap();
    match facts["cgroups"][0]["parent"].as_str() {
        Some(parent) => Ok(PathBuf::from(parent)),
        None => Err(skip::Lack::new(format!("a cgroup controller for {limit}"))),
    }
}

/// The groups of jails in it.
fn groups(parent: &Path) -> Vec<String> {
    let names = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("thinjail.")).collect()
}

#[test]
fn a_jail_that_takes_too_much_memory_is_stopped_and_the_limit_named() {
    let _alone = alone();
    let parent = need!(parent("memoryuse"));
    // The child takes it; the main process lives on and tells how it ended.
    let script = r#"
        my $pid = fork // die; if (!$pid) { my @all; push @all, 'x' x (1 << 20) while @all < 400; exit 0 }
        waitpid $pid, 0; print $? & 127, "\n"; open F, '>', '/tmp/x' or die; my $block = 'x' x (1 << 20);
    "#;
    for user in ["root", "65534"] {
        let finished =
            thinjail(["run", "--user", user, "--tmp", "--limits", "memoryuse=48M", "--", PERL, "-e", script]).run();
        assert_eq!(finished.expect_code(0).stdout, "9\n", "{user}: {}", finished.stderr);
        finished.expect_stderr(&["the limit memoryuse = 48M was hit", "killed a process"]);
        assert_eq!(groups(&parent), [""; 0]);
    }
    // What is in memory as files counts, too.
    let fill = r#"open F, '>', '/tmp/x' or die; my $b = 'x' x (1 << 20); syswrite F, $b for 1 .. 200; print "full\n""#;
    let args = ["run", "--tmp=400M", "--limits", "memoryuse=48M", "--", PERL, "-e", fill];
    let finished = thinjail(args).run();
    assert_eq!(finished.stdout, "");
    finished.expect_stderr(&["the limit memoryuse = 48M was hit"]);
}

#[test]
fn a_fork_bomb_ends_at_the_limit_whoever_throws_it() {
    let _alone = alone();
    let parent = need!(parent("maxproc"));
    let script = r#"
        my $made = 0; while ($made < 200) { my $pid = fork; last if !defined $pid; if (!$pid) { sleep 60 } $made++ }
        print "$made ", $! + 0, "\n";
    "#;
    for user in ["root", "65534"] {
        let finished = thinjail(["run", "--user", user, "--limits", "maxproc=8", "--", PERL, "-e", script]).run();
        // Seven beside itself; EAGAIN.
        assert_eq!(finished.expect_code(0).stdout, "7 11\n", "{user}");
        finished.expect_stderr(&["the limit maxproc = 8 was hit: a fork(2) failed"]);
        assert_eq!(groups(&parent), [""; 0]);
    }
}

#[test]
fn a_file_that_grows_too_large_ends_its_program_and_the_limit_is_named() {
    let _alone = alone();
    need!(skip::namespaces());
    let script = r#"open F, '>', '/tmp/x' or die; my $b = 'x' x (1 << 20); syswrite F, $b for 1 .. 8; print "whole\n""#;
    let finished = thinjail(["run", "--tmp", "--limits", "filesize=2M", "--", PERL, "-e", script]).run();
    finished.expect_code(128 + 25).expect_stderr(&["the limit filesize = 2M was hit"]);
    assert_eq!(finished.stdout, "");
    let script = r#"my @all; while (open my $file, '<', '/dev/null') { push @all, $file } print $! + 0, "\n""#;
    let finished = thinjail(["run", "--limits", "openfiles=16", "--", PERL, "-e", script]).run();
    assert_eq!(finished.expect_code(0).stdout, "24\n");
}

/// A jail that waits, with all limits of a group.
fn waiting() -> Running {
    let limits = "memoryuse=64M,maxproc=16,pcpu=50";
    let args = ["run", "--limits", limits, "--", PERL, "-e", r#"$| = 1; print "ready\n"; sleep 300"#];
    let mut jail = thinjail(args).patience(Duration::from_secs(60)).spawn();
    jail.wait_for_stdout("ready\n");
    jail
}

#[test]
fn groups_hold_what_is_written_and_go_with_the_jail() {
    let _alone = alone();
    // Asked for together: of version 2 one directory has to serve all.
    let one = need!(parent("memoryuse=1000000,maxproc=1000000,pcpu"));
    let parents = match one.join("cgroup.controllers").exists() {
        true => vec![one],
        false => vec![need!(parent("memoryuse")), need!(parent("maxproc")), need!(parent("pcpu"))],
    };
    let jail = waiting();
    let settings: String = parents
        .iter()
        .flat_map(|parent| {
            let group = parent.join(format!("thinjail.perl.{}", jail.pid()));
            let inside = jail.inside();
            let procs = fs::read_to_string(group.join("cgroup.procs")).unwrap();
            for process in &inside {
                assert!(procs.lines().any(|line| line == process.pid.to_string()), "{procs}: {inside:?}");
            }
            assert!(!procs.lines().any(|line| line == jail.pid().to_string()), "the supervisor is in it");
            let files = ["memory.max", "memory.limit_in_bytes", "pids.max", "cpu.max", "cpu.cfs_quota_us"];
            files.map(|file| fs::read_to_string(group.join(file)).unwrap_or_default())
        })
        .collect();
    for set in ["67108864\n", "17\n", "50000"] {
        assert!(settings.contains(set), "{settings}");
    }
    jail.stop().expect_code(143);
    for parent in parents {
        assert_eq!(groups(&parent), [""; 0]);
    }
}

#[test]
fn groups_of_a_supervisor_that_was_killed_go_with_the_next_start() {
    let _alone = alone();
    // Asked for together: of version 2 one directory has to serve all.
    let one = need!(parent("memoryuse=1000000,maxproc=1000000,pcpu"));
    let parents = match one.join("cgroup.controllers").exists() {
        true => vec![one],
        false => vec![need!(parent("memoryuse")), need!(parent("maxproc")), need!(parent("pcpu"))],
    };
    let jail = waiting();
    let (pid, inside) = (jail.pid(), jail.inside());
    jail.signal(Signal::KILL);
    drop(jail);
    until_true("the jail has ended with its supervisor", || {
        inside.iter().all(|process| Process::of(process.pid).is_none_or(|found| !found.runs()))
    });
    for parent in &parents {
        assert_eq!(groups(parent), [format!("thinjail.perl.{pid}")]);
    }
    waiting().stop().expect_code(143);
    for parent in &parents {
        assert_eq!(groups(parent), [""; 0]);
    }
}

#[test]
fn a_start_that_fails_leaves_no_group() {
    let _alone = alone();
    let parent = need!(parent("memoryuse"));
    let dir = TempDir::new();
    let text = dir.program("text", "\x7fELF no program").display().to_string();
    thinjail(["run", "--limits", "memoryuse=64M", "--", &text]).run().expect_code(126);
    let args = ["run", "--limits", "memoryuse=64M", "--limits", "openfiles=unlimited", "--", PERL, "-e", "1"];
    thinjail(args).run().expect_code(125).expect_stderr(&["openfiles"]);
    assert_eq!(groups(&parent), [""; 0]);
}
