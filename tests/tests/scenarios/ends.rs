//! How a jail ends, and what its end says.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip};

use crate::{SHELL, sh};

#[test]
fn the_exit_status_is_the_programs_own() {
    need!(skip::jails());
    let _alone = alone();
    let before = Snapshot::take(&[]);
    for code in [0, 1, 3, 124, 255] {
        let ended = sh(&[], &format!("exit {code}"));
        ended.expect_code(code);
        assert_eq!(ended.stderr, "", "status {code}");
    }
    before.assert_same_now(&[]);
}

#[test]
fn a_signal_that_ends_the_program_is_told() {
    need!(skip::jails());
    let _alone = alone();
    let before = Snapshot::take(&[]);
    for (name, number) in [("TERM", 15), ("KILL", 9), ("USR1", if cfg!(target_os = "linux") { 10 } else { 30 })] {
        let ended = sh(&[], &format!("kill -{name} $$; sleep 5"));
        ended.expect_code(128 + number).expect_stderr(&[&format!("signal {number}")]);
    }
    before.assert_same_now(&[]);
}

#[test]
fn what_the_profile_calls_a_success_is_status_0() {
    need!(skip::jails());
    let _alone = alone();
    let listed = ["--success-exit", "143,usr1"];
    for script in ["exit 143", "exit 0", "kill -USR1 $$; sleep 5"] {
        assert_eq!(sh(&listed, script).expect_code(0).stderr, "", "{script}");
    }
    sh(&listed, "exit 142").expect_code(142);
    sh(&listed, "kill -TERM $$; sleep 5").expect_code(128 + 15);
}

#[test]
fn a_program_that_is_not_there_or_is_none_has_its_own_status() {
    need!(skip::jails());
    let _alone = alone();
    let before = Snapshot::take(&[]);
    thinjail(["run", "--", "/no/such/program"]).run().expect_code(127).expect_stderr(&["/no/such/program"]);
    let temp = TempDir::new();
    let text = temp.file("text", "no program\n");
    let refused = thinjail(["run", "--"]).args([&text]).run();
    assert!(matches!(refused.code(), Some(125 | 126)), "{refused:?}");
    before.assert_same_now(&[]);
}

#[test]
fn term_is_handed_on_and_the_jail_is_gone() {
    need!(skip::jails());
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let script = "trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    let mut jail = thinjail(["run", "--programs", "sleep", "--", SHELL, "-c", script]).spawn();
    jail.wait_for_stdout("ready\n");
    assert_eq!(jail.inside().iter().filter(|process| process.runs()).count().min(1), 1, "somebody is inside");
    let ended = jail.stop();
    assert_eq!(ended.expect_code(7).stdout, "ready\ngot it\n");
    before.assert_same_now(&[]);
}

#[test]
fn other_signals_are_handed_on_too() {
    need!(skip::jails());
    let _alone = alone();
    let script =
        "trap 'echo HUP' HUP; trap 'echo USR1' USR1; trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let mut jail = thinjail(["run", "--programs", "sleep", "--", SHELL, "-c", script]).spawn();
    jail.wait_for_stdout("ready\n");
    jail.signal(Signal::HUP);
    jail.wait_for_stdout("HUP\n");
    jail.signal(Signal::USR1);
    jail.wait_for_stdout("USR1\n");
    jail.stop().expect_code(0);
}

/// init(8) of FreeBSD starts rc(8) and so every service with SIGHUP ignored, as nohup(1) does, and SIGWINCH is ignored by all who
/// don't say otherwise.
#[test]
fn a_signal_that_the_caller_ignores_is_handed_on_as_well() {
    need!(skip::jails());
    let _alone = alone();
    let script = "trap 'echo HUP' HUP; trap 'echo USR2' USR2; trap 'echo WINCH' WINCH; trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let flags = ["run", "--programs", "sleep", "--", SHELL, "-c", script];
    let mut jail = thinjail(flags).after("trap '' HUP USR2 TERM").spawn();
    jail.wait_for_stdout("ready\n");
    for (signal, said) in [(Signal::HUP, "HUP\n"), (Signal::USR2, "USR2\n"), (Signal::WINCH, "WINCH\n")] {
        jail.signal(signal);
        jail.wait_for_stdout(said);
    }
    jail.stop().expect_code(0);
}

#[test]
fn what_does_not_stop_in_time_is_killed() {
    need!(skip::jails());
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let script = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    let mut jail = thinjail(["run", "--programs", "sleep", "--stop-timeout", "1s", "--", SHELL, "-c", script]).spawn();
    jail.wait_for_stdout("ready\n");
    let begun = Instant::now();
    jail.stop().expect_code(128 + 9).expect_stderr(&["/bin/sh did not end within 1 s: it is killed"]);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(15), "{took:?}");
    before.assert_same_now(&[]);
}

#[test]
fn processes_that_the_program_left_end_with_it() {
    need!(skip::jails());
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let begun = Instant::now();
    let ended = sh(&["--programs", "sleep"], "(trap '' TERM HUP; sleep 300) & (sleep 300) & exit 4");
    ended.expect_code(4);
    assert!(begun.elapsed() < Duration::from_secs(60));
    before.assert_same_now(&[]);
}

#[test]
fn wait_all_stays_until_the_last_process() {
    need!(skip::jails());
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let ended = sh(&["--wait", "all", "--programs", "sleep"], "(sleep 1; echo last) & echo first; exit 4");
    assert_eq!(ended.expect_code(4).stdout, "first\nlast\n");
    before.assert_same_now(&[]);
}

#[test]
fn nothing_of_the_environment_or_descriptors_reaches_the_program() {
    need!(skip::jails());
    let _alone = alone();
    let env = need!(skip::program("env")).display().to_string();
    let mut jail = thinjail(["run", "--env", "GIVEN=1", "--", &env]);
    jail.command().env("SECRET", "of the caller");
    let said = jail.run();
    said.expect_code(0);
    let names: Vec<&str> = said.stdout.lines().filter_map(|line| line.split('=').next()).collect();
    assert!(names.contains(&"GIVEN") && !names.contains(&"SECRET"), "{names:?}");
    let script = "for fd in 3 4 5 6 7 8 9; do (: <&$fd) 2>/dev/null && echo open $fd; done; exit 0";
    let said = thinjail(["run", "--", SHELL, "-c", script]).after("exec 5</dev/null 7</etc/passwd").run();
    assert_eq!(said.expect_code(0).stdout, "");
}

#[test]
fn the_pidfile_has_a_pid_of_the_host_and_goes_with_the_jail() {
    need!(skip::jails());
    let _alone = alone();
    let temp = TempDir::new();
    let dir = temp.dir("pids");
    let before = Snapshot::take(&[temp.path()]);
    let file = dir.join("x.pid");
    let script = "echo ready; while :; do sleep 0.05; done";
    let flags = ["--programs", "sleep", "--pidfile", file.to_str().unwrap()];
    let mut jail = thinjail(["run"]).args(flags).args(["--", SHELL, "-c", script]).spawn();
    jail.wait_for_stdout("ready\n");
    // It is made and locked before there is a pid to write.
    let pid: i32 =
        jail.wait_until("the pidfile is written", |_| std::fs::read_to_string(&file).ok()?.trim().parse().ok());
    assert!(thinjail_tests::process::Process::of(pid).is_some(), "{pid} is no process of the host");
    jail.stop();
    before.assert_same_now(&[temp.path()]);
}

#[test]
fn limits_hold_inside() {
    need!(skip::jails());
    let _alone = alone();
    let inmate = thinjail_tests::binary::inmate();
    let few = thinjail(["run", "--limits", "openfiles=64", "--", &inmate, "open", "20"]).run();
    assert_eq!(few.expect_code(0).stdout, "opened\n");
    let many = thinjail(["run", "--limits", "openfiles=64", "--", &inmate, "open", "80"]).run();
    assert!(many.code() != Some(0) && many.code() != Some(125), "{many:?}");
    let said = sh(&["--limits", "openfiles=64"], "ulimit -n");
    assert_eq!(said.expect_code(0).stdout, "64\n");
}
