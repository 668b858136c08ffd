//! SIGKILL of the runner, of whatever watches it, and of both: nothing is left but what `clean` takes away.

use std::time::Duration;

use rustix::process::Signal;
use thinjail_tests::freebsd::{jails, params};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Running, send, thinjail};
use thinjail_tests::process::Process;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip, wait};

use crate::up;

/// The processes of ours that are on the host and are not the runner: its guardian, before FreeBSD 15.
fn guardians(jail: &Running) -> Vec<Process> {
    let ours = Process::all().into_iter().filter(|process| process.jid == 0 && process.state != 'Z');
    ours.filter(|process| process.name.starts_with("thinjail") && process.pid != jail.pid()).collect()
}

fn kill(process: &Process) {
    if process.runs() {
        send(process.pid, Signal::KILL);
    }
}

/// Kills some of them at some moment, and looks whether all is gone, by `clean` at the latest.
fn killed(runner: bool, guardian: bool) {
    let _alone = alone();
    let temp = TempDir::new();
    temp.dir("data");
    temp.file("data/file", "precious\n");
    let more = format!("write = [\"{}\"]\n[freebsd.params]\n\"children.max\" = \"0\"\n", temp.at("data"));
    // The profile is written by the first of them.
    up(&temp, "guarded", &more).stop();
    let before = Snapshot::take(&[temp.path()]);
    for round in 0..8_u64 {
        let mut jail = up(&temp, "guarded", &more);
        let guardians = guardians(&jail);
        std::thread::sleep(Duration::from_millis(round * 13 % 90));
        if guardian {
            guardians.iter().for_each(kill);
        }
        if runner {
            jail.signal(Signal::KILL);
            wait::until_true("the runner ends", || jail.ended().is_some());
        }
        if runner && !guardian {
            wait::until_true("the guardian ends the jail", || params("guarded").is_none());
        }
        if !runner {
            jail.stop();
        }
        thinjail(["clean", "--all"]).run().expect_code(0);
        let left = jails();
        assert!(!left.iter().any(|name| name == "guarded"), "round {round}: {left:?}");
        before.assert_same_now(&[temp.path()]);
    }
    assert_eq!(std::fs::read_to_string(temp.at("data/file")).unwrap(), "precious\n");
}

#[test]
fn the_runner_is_killed() {
    need!(skip::root());
    killed(true, false);
}

#[test]
fn the_guardian_is_killed() {
    need!(skip::root());
    killed(false, true);
}

#[test]
fn the_runner_and_the_guardian_are_killed() {
    need!(skip::root());
    killed(true, true);
}

#[test]
fn the_next_start_takes_away_what_was_left() {
    need!(skip::root());
    let _alone = alone();
    let temp = TempDir::new();
    up(&temp, "guarded", "").stop();
    let before = Snapshot::take(&[temp.path()]);
    let mut jail = up(&temp, "guarded", "");
    guardians(&jail).iter().for_each(kill);
    jail.signal(Signal::KILL);
    wait::until_true("the runner ends", || jail.ended().is_some());
    up(&temp, "guarded", "").stop();
    before.assert_same_now(&[temp.path()]);
}

#[test]
fn a_name_is_free_at_once_even_while_a_connection_drains() {
    need!(skip::root());
    let _alone = alone();
    let temp = TempDir::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let inmate = thinjail_tests::binary::inmate();
    let text = format!("command = [\"{inmate}\", \"serve\", \"{free}\", \"hello\"]\nuser = \"root\"\n");
    let profiles = temp.profile("draining", &text);
    for _ in 0..5 {
        let mut jail = thinjail(["run", "draining"]).profiles(&profiles).spawn();
        let stream = jail.wait_until("it listens", |_| thinjail_tests::client::connect(free));
        jail.stop();
        // Held while the next one starts.
        drop(stream);
    }
}
