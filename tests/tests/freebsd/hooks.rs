//! jail(8)'s hooks: which runs where, in which order, with what in its environment.

use std::fs;

use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip};

use crate::{STAY, profile};

/// The order of jail(8), `exec.start` being the command itself.
const ORDER: [&str; 5] = ["prestart", "created", "poststart", "prestop", "poststop"];

fn hooks(temp: &TempDir, fail: Option<&str>) -> String {
    let log = temp.at("log");
    let line = |hook: &&str| {
        let status = i32::from(fail == Some(*hook));
        format!("\"exec.{hook}\" = \"echo {hook} >>{log}; exit {status}\"\n")
    };
    format!("write = [\"{}\"]\n[freebsd.params]\n{}", temp.path().display(), ORDER.iter().map(line).collect::<String>())
}

#[test]
fn hooks_run_in_the_order_of_jail_8() {
    need!(skip::root());
    let _alone = alone();
    let temp = TempDir::new();
    // It is asked to stop: what ends by itself is not, and has no prestop.
    let script = format!("echo start >>{}; {STAY}", temp.at("log"));
    let profiles = profile(&temp, "hooked", &script, &hooks(&temp, None));
    let before = Snapshot::take(&[]);
    let mut jail = thinjail(["run", "hooked"]).profiles(&profiles).spawn();
    jail.wait_for_stdout("ready\n");
    let poststart = || fs::read_to_string(temp.at("log")).unwrap_or_default().contains("poststart");
    jail.wait_until("the hook after the start has run", |_| poststart().then_some(()));
    jail.stop();
    let said = fs::read_to_string(temp.path().join("log")).unwrap();
    let mut lines: Vec<&str> = said.lines().collect();
    // The program may be faster or slower than the hook that runs once it was started.
    let start = lines.iter().position(|line| *line == "start").expect("the program ran");
    assert!(start >= 2, "{lines:?}");
    lines.remove(start);
    assert_eq!(lines, ORDER);
    before.assert_same_now(&[]);
}

#[test]
fn a_hook_that_fails_before_the_start_lets_nothing_start() {
    need!(skip::root());
    let _alone = alone();
    for hook in ["prestart", "created"] {
        let temp = TempDir::new();
        let script = format!("echo start >>{}", temp.at("log"));
        let profiles = profile(&temp, "hooked", &script, &hooks(&temp, Some(hook)));
        let before = Snapshot::take(&[]);
        thinjail(["run", "hooked"]).profiles(&profiles).run().expect_code(125).expect_stderr(&[hook]);
        let said = fs::read_to_string(temp.path().join("log")).unwrap_or_default();
        assert!(
            !said.contains("start\n") || said.contains("prestart\n") && !said.contains("\nstart\n"),
            "{hook}: {said}"
        );
        before.assert_same_now(&[]);
    }
}

#[test]
fn hooks_are_told_which_jail_it_is() {
    need!(skip::root());
    let _alone = alone();
    let temp = TempDir::new();
    let log = temp.at("log");
    let more = format!(
        "write = [\"{}\"]\n[freebsd.params]\n\"exec.created\" = \"echo $JNAME >>{log}; test -n \\\"$JID\\\" && test -d \\\"$JPATH\\\" && echo all >>{log}\"\n",
        temp.path().display()
    );
    let profiles = profile(&temp, "hooked", "exit 0", &more);
    thinjail(["run", "hooked"]).profiles(&profiles).run().expect_code(0);
    assert_eq!(fs::read_to_string(temp.path().join("log")).unwrap(), "hooked\nall\n");
}
