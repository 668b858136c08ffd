//! Limits of rctl(8), where the kernel accounts for resources; where it does not, a warning.

use std::process::Command;

use thinjail_tests::freebsd::racct;
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{binary, need, skip};

use crate::{profile, up};

#[test]
fn memory_beyond_the_limit_is_not_had() {
    need!(skip::root());
    need!(racct());
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let inmate = binary::inmate();
    for limit in ["memoryuse=100M", "vmemoryuse=200M"] {
        let little = thinjail(["run", "--limits", limit, "--", &inmate, "eat", "10"]).run();
        assert_eq!(little.expect_code(0).stdout, "ate\n", "{limit}");
        let much = thinjail(["run", "--limits", limit, "--", &inmate, "eat", "400"]).run();
        assert!(!much.stdout.contains("ate"), "{limit}: {much:?}");
        assert_ne!(much.code(), Some(125), "{limit}: {}", much.stderr);
    }
    before.assert_same_now(&[]);
}

#[test]
fn processes_are_counted_over_the_whole_jail() {
    need!(skip::root());
    need!(racct());
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let script = "sleep 1 & sleep 1 & sleep 1 & sleep 1 & sleep 1 & sleep 1 & sleep 1 & sleep 1 & echo all";
    let flags = ["--user", "root", "--programs", "sleep", "--limits"];
    let many = thinjail(["run"]).args(flags).args(["maxproc=4", "--", "/bin/sh", "-c", script]).run();
    assert!(!many.stdout.contains("all"), "{many:?}");
    let few = thinjail(["run"]).args(flags).args(["maxproc=40", "--", "/bin/sh", "-c", script]).run();
    assert!(few.stdout.contains("all"), "{few:?}");
    before.assert_same_now(&[]);
}

#[test]
fn rules_are_there_while_the_jail_runs_and_go_with_it() {
    need!(skip::root());
    need!(racct());
    let rctl = need!(skip::program("rctl"));
    let _alone = alone();
    let temp = TempDir::new();
    let rules = || String::from_utf8_lossy(&Command::new(&rctl).output().unwrap().stdout).into_owned();
    let before = rules();
    let jail = up(&temp, "limited", "[limits]\nmemoryuse = \"300M\"\nmaxproc = 50\n");
    let during = rules();
    assert!(
        during.contains("jail:limited:memoryuse:sigkill=") && during.contains("jail:limited:maxproc:deny=50"),
        "{during}"
    );
    jail.stop();
    assert_eq!(rules(), before);
}

#[test]
fn where_nothing_is_accounted_for_there_is_a_warning_and_the_jail_runs() {
    need!(skip::root());
    if racct().is_ok() {
        skip!("kern.racct.enable is 1 here");
    }
    let _alone = alone();
    let temp = TempDir::new();
    let profiles = profile(&temp, "limited", "echo ran", "[limits]\nmaxproc = 50\n");
    let ran = thinjail(["run", "limited"]).profiles(&profiles).run();
    assert_eq!(ran.expect_code(0).stdout, "ran\n");
    ran.expect_stderr(&["kern.racct.enable"]);
}
