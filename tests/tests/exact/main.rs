//! Inside is exactly the plan: a probe walks the whole tree from inside, and its list is the plan's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod listing;
mod shipped;

use std::os::unix::fs::symlink;

use thinjail_closure::tree::Kind;
use thinjail_tests::host::alone;
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::walk::Entry;
use thinjail_tests::{need, skip};

use listing::{assert_equal, parse, planned, seen};

const PROBE: &str = env!("CARGO_BIN_EXE_probe");

/// Runs the probe as the jail's program, and compares.
#[track_caller]
fn assert_exact(flags: &[&str]) -> Vec<Entry> {
    let plan = thinjail(["plan", "--json"]).args(flags).args([PROBE]).plan();
    let probed = thinjail(["run"]).args(flags).args([PROBE]).run();
    let entries = parse(&probed.expect_code(0).stdout);
    assert_equal(&planned(&plan), &seen(&entries, &plan));
    entries
}

#[test]
fn a_static_program_finds_itself_and_what_every_jail_has() {
    need!(skip::namespaces());
    let _alone = alone();
    let entries = assert_exact(&[]);
    let directories: Vec<_> = entries.iter().filter(|entry| entry.kind == Kind::Directory).collect();
    for directory in directories.iter().filter(|directory| directory.mount.is_some_and(|mount| !mount.proc)) {
        assert!(["/", "/dev"].contains(&directory.path.as_str()), "{} is mounted", directory.path);
    }
    assert!(directories.iter().all(|directory| (directory.uid, directory.mode & 0o022) == (0, 0)));
}

#[test]
fn every_kind_of_step_is_seen_as_it_is_planned() {
    need!(skip::namespaces());
    let _alone = alone();
    let temp = TempDir::new();
    for dir in ["data", "data/deep/er", "data/empty", "rw"] {
        temp.dir(dir);
    }
    temp.file("data/deep/er/file", "a");
    temp.file("conf", "b");
    symlink("deep/er", temp.path().join("data/link")).unwrap();
    symlink("/nowhere", temp.path().join("data/dangling")).unwrap();
    symlink("data", temp.path().join("by-link")).unwrap();
    let mount = [("data", "/srv/www"), ("conf", "/etc/app.conf"), ("by-link", "/srv/by-link")]
        .map(|(source, target)| format!("{}:{target}", temp.at(source)));
    let rw = format!("{}:/var/rw:write", temp.at("rw"));
    assert_exact(&[
        "--user=root",
        "--users=www-data,nobody",
        "--programs=/bin/sh,/usr/bin/env",
        "--read",
        &temp.at("data"),
        "--mount",
        &mount[0],
        "--mount",
        &mount[1],
        "--mount",
        &mount[2],
        "--mount",
        &rw,
        "--tmp=1M",
        "--devices=shm",
        "--hostname=jail",
        "--network=none",
    ]);
}

#[test]
fn a_directory_below_a_mounted_one_has_its_own_access() {
    need!(skip::namespaces());
    let _alone = alone();
    let temp = TempDir::new();
    temp.dir("outer/inner");
    temp.file("outer/inner/file", "a");
    let plan_flags = ["--user=root", "--read", &temp.at("outer"), "--write", &temp.at("outer/inner")];
    let entries = assert_exact(&plan_flags);
    let inner = entries.iter().find(|entry| entry.path == temp.at("outer/inner")).unwrap();
    assert!(inner.mount.unwrap().access.write);
    let outer = entries.iter().find(|entry| entry.path == temp.at("outer")).unwrap();
    assert!(!outer.mount.unwrap().access.write);
}

#[test]
fn the_umask_of_the_caller_does_not_show_inside() {
    need!(skip::namespaces());
    let _alone = alone();
    let plan = thinjail(["plan", "--json", "--tmp", PROBE]).plan();
    let probed = thinjail(["run", "--tmp", PROBE]).after("umask 077").run();
    assert_equal(&planned(&plan), &seen(&parse(&probed.expect_code(0).stdout), &plan));
}
