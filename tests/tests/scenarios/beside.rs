//! Commands beside the program: before it starts, and at a reload.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Finished, send, thinjail};
use thinjail_tests::process::Process;
use thinjail_tests::temp::{TempDir, chmod};
use thinjail_tests::{binary, need, skip, wait};

use crate::{SHELL, sh};

const NAME: &str = "scenario-beside";

/// A daemon that writes down what it hears, and the lines of its profile that say more.
struct Daemon {
    temp: TempDir,
    profiles: PathBuf,
}

impl Daemon {
    fn new(more: &str) -> Self {
        Self::of(
            "trap 'echo hup >>heard' HUP; trap 'echo usr1 >>heard' USR1; echo up >>heard; while :; do sleep 0.05; done",
            more,
        )
    }

    fn of(script: &str, more: &str) -> Self {
        let temp = TempDir::new();
        let write = temp.dir("write");
        chmod(&write, 0o777);
        let profile = format!(
            "command = [\"{SHELL}\", \"-c\", \"{script}\"]\nuser = \"nobody\"\nprograms = [\"sleep\"]\nwrite = [\"{0}\"]\nchdir = \"{0}\"\n{more}\n",
            write.display()
        );
        let profiles = temp.profile(NAME, &profile);
        Self { temp, profiles }
    }

    fn thinjail(&self, words: &[&str]) -> Finished {
        thinjail(words).profiles(&self.profiles).run()
    }

    fn reload(&self) -> Finished {
        self.thinjail(&["reload", NAME])
    }

    fn heard(&self) -> String {
        fs::read_to_string(self.temp.path().join("write/heard")).unwrap_or_default()
    }

    #[track_caller]
    fn start(&self) {
        self.thinjail(&["start", "--output", &self.temp.at("output"), NAME]).expect_code(0);
        wait::until_true("the daemon is up", || self.heard().ends_with("up\n"));
    }

    /// What it said itself, and what its supervisor did.
    fn output(&self) -> String {
        fs::read_to_string(self.temp.at("output")).unwrap_or_default()
    }

    /// SIGHUP, as an init system sends it to what it has started.
    fn hup_supervisor(&self) {
        let said = self.thinjail(&["status", "--json", NAME]).stdout;
        let after = said.split_once("\"supervisor\": ").unwrap().1;
        let pid = after.split(|c: char| !c.is_ascii_digit()).next().unwrap();
        send(pid.parse().unwrap(), Signal::HUP);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.thinjail(&["stop", NAME]);
    }
}

#[test]
fn before_start_is_run_inside_in_order_as_the_user_in_the_very_jail() {
    need!(skip::jails());
    let _alone = alone();
    let first = format!("{SHELL} -c 'echo first >/tmp/file; echo $$'");
    let second = format!("{SHELL} -c 'read line </tmp/file; echo $line and second >/tmp/file; : >/etc/x'");
    let third = format!("{SHELL} -c 'read line </tmp/file; echo $line and third >/tmp/file; id -u'");
    let flags = |third: &str| -> Vec<String> {
        let words = ["--tmp", "--programs", "id", "--before-start", &first, "--before-start", third];
        words.map(String::from).to_vec()
    };
    let given = flags(&third);
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let ended = sh(&given, "read line </tmp/file; echo $line");
    assert_eq!(ended.expect_code(0).stdout, "first and third\n");
    let uid = sh(&["--programs", "id"], "id -u").stdout;
    assert!(ended.stderr.ends_with(&uid), "as who else: {}", ended.stderr);
    // The root is read-only to it as to the program.
    let refused = flags(&second);
    let refused: Vec<&str> = refused.iter().map(String::as_str).collect();
    assert_ne!(sh(&refused, "exit 0").code(), Some(0));
}

#[test]
fn a_start_ends_where_before_start_fails_with_what_it_said_and_nothing_is_left() {
    need!(skip::jails());
    let _alone = alone();
    let daemon = Daemon::new(&format!(
        "before-start = [\"{SHELL} -c 'echo one >>heard'\", \"{SHELL} -c 'echo what is wrong >&2; exit 3'\", \"{SHELL} -c 'echo three >>heard'\"]"
    ));
    let before = Snapshot::take(&[]);
    for verb in ["run", "start"] {
        let ended = daemon.thinjail(&[verb, NAME]);
        ended.expect_code(if verb == "run" { 125 } else { 1 });
        ended.expect_stderr(&["run before-start = ", "it ended with status 3, and said:\n  what is wrong"]);
        assert_eq!(ended.stderr.matches("what is wrong").count(), 2, "once in the command, once as it was said");
        daemon.thinjail(&["status", NAME]).expect_code(3);
    }
    // Neither what comes after it nor the program.
    assert_eq!(daemon.heard(), "one\none\n");
    before.assert_same_now(&[]);
}

#[test]
fn a_stop_does_not_wait_for_before_start() {
    need!(skip::jails());
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let slow = format!("{SHELL} -c 'sleep 100'");
    let flags = ["run", "--programs", "sleep", "--before-start", &slow, "--", SHELL, "-c", "echo up"];
    let mut jail = thinjail(flags).spawn();
    // And not only what is ours.
    let begun = |process: &Process| process.runs() && process.exe().is_some_and(|exe| exe != binary::thinjail());
    jail.wait_until("it has begun", |jail| jail.inside().iter().any(begun).then_some(()));
    let ended = jail.stop();
    ended.expect_code(125).expect_stderr(&["told to stop before it had started"]);
    assert_eq!(ended.stdout, "");
    before.assert_same_now(&[]);
}

#[test]
fn a_bad_configuration_never_reaches_the_daemon() {
    need!(skip::jails());
    let _alone = alone();
    let daemon = Daemon::new(&format!(
        "before-reload = [\"{SHELL} -c 'read line <config; echo config is $line; test $line = good'\"]"
    ));
    let before = Snapshot::take(&[]);
    daemon.reload().expect_code(7).expect_stderr(&["does not run"]);
    let config = daemon.temp.path().join("write/config");
    fs::write(&config, "good\n").unwrap();
    daemon.start();
    let good = daemon.reload();
    good.expect_code(0).expect_stderr(&["config is good"]);
    wait::until_true("the daemon has heard", || daemon.heard() == "up\nhup\n");

    fs::write(&config, "bad\n").unwrap();
    daemon.reload().expect_code(1).expect_stderr(&["run before-reload = ", "status 1, and said:\n  config is bad"]);
    daemon.hup_supervisor();
    wait::until_true("the supervisor says so", || daemon.output().contains("is not reloaded: run before-reload"));
    assert_eq!(daemon.heard(), "up\nhup\n");

    fs::write(&config, "good\n").unwrap();
    daemon.hup_supervisor();
    wait::until_true("the daemon has heard again", || daemon.heard() == "up\nhup\nhup\n");
    daemon.thinjail(&["stop", NAME]).expect_code(0);
    before.assert_same_now(&[]);
}

#[test]
fn many_at_once_are_one_and_one_more() {
    need!(skip::jails());
    let _alone = alone();
    // Each ends when it is let, and the daemon has heard the first when the second does: signals that wait are one.
    let slow = format!("{SHELL} -c 'echo checked >>heard; until test -s go; do sleep 0.05; done; : >go'");
    let daemon = Daemon::new(&format!("before-reload = [\"{slow}\"]"));
    let go = daemon.temp.file("write/go", "");
    chmod(&go, 0o666);
    daemon.start();
    daemon.hup_supervisor();
    wait::until_true("the first has begun", || daemon.heard().ends_with("checked\n"));
    for _ in 0..4 {
        daemon.hup_supervisor();
    }
    for count in 1..=2 {
        fs::write(&go, "go").unwrap();
        wait::until_true("one has come", || daemon.heard().matches("hup").count() == count);
    }
    std::thread::sleep(std::time::Duration::from_millis(700));
    let mut heard: Vec<String> = daemon.heard().lines().map(String::from).collect();
    heard.sort();
    assert_eq!(heard, ["checked", "checked", "hup", "hup", "up"]);
}

#[test]
fn reload_signal_is_what_the_daemon_hears_by_name_and_by_hup_to_the_supervisor() {
    need!(skip::jails());
    let _alone = alone();
    let daemon = Daemon::new("reload-signal = \"USR1\"");
    daemon.start();
    daemon.reload().expect_code(0);
    wait::until_true("the signal", || daemon.heard() == "up\nusr1\n");
    daemon.hup_supervisor();
    wait::until_true("the same", || daemon.heard() == "up\nusr1\nusr1\n");
    // And without a word HUP is.
    let plain = Daemon::new("");
    plain.thinjail(&["stop", NAME]).expect_code(0);
    plain.start();
    plain.reload().expect_code(0);
    wait::until_true("HUP", || plain.heard() == "up\nhup\n");
}

#[test]
fn reload_command_is_run_inside_in_place_of_a_signal() {
    need!(skip::jails());
    let _alone = alone();
    let daemon = Daemon::new(&format!("reload-command = [\"{SHELL}\", \"-c\", \"echo commanded >>heard\"]"));
    daemon.start();
    daemon.reload().expect_code(0);
    assert_eq!(daemon.heard(), "up\ncommanded\n");
    daemon.hup_supervisor();
    let heard = wait::poll(std::time::Duration::from_secs(20), || {
        (daemon.heard() == "up\ncommanded\ncommanded\n").then_some(())
    });
    assert!(heard.is_some(), "the same by HUP: {} {}", daemon.heard(), daemon.output());
}

#[test]
fn a_reload_that_ends_the_program_is_told_and_what_to_write() {
    need!(skip::jails());
    let _alone = alone();
    let before = Snapshot::take(&[]);
    // It does nothing about either signal.
    let deaf = "echo up >>heard; while :; do sleep 0.05; done";
    for (more, told) in [("", "sent HUP"), ("reload-signal = \"USR1\"", "sent USR1")] {
        let daemon = Daemon::of(deaf, more);
        daemon.start();
        let said = daemon.reload();
        said.expect_code(1).expect_stderr(&[
            "reload scenario-beside: its main process, pid ",
            told,
            "and with it the jail",
        ]);
        said.expect_stderr(&["help: ", "reload-signal", "reload-command"]);
        daemon.thinjail(&["status", NAME]).expect_code(3);
    }
    let again = Daemon::of(deaf, "restart = \"always\"\nrestart-delay = \"10ms\"");
    again.start();
    again.reload().expect_code(1).expect_stderr(&["sent HUP, and is started again"]);
    drop(again);
    // Another process is left, and the jail with it.
    let left = Daemon::of(&format!("trap '' HUP; sleep 1000 & trap - HUP; {deaf}"), "wait = \"all\"");
    left.start();
    left.reload().expect_code(1).expect_stderr(&["sent HUP, and others of its processes are left"]);
    drop(left);
    let command = format!("reload-command = [\"{SHELL}\", \"-c\", \": >end\"]");
    // It may be looked at for too short a while for one that ends later, on a busy machine.
    let ended = (0..20).any(|_| {
        let ends = Daemon::of("echo up >>heard; until test -e end; do sleep 0.05; done", &command);
        ends.start();
        let said = ends.reload();
        said.code() == Some(1) && said.stderr.contains("ended when its reload-command was run, and with it the jail")
    });
    assert!(ended, "an end by reload-command is never told");
    before.assert_same_now(&[]);
}
