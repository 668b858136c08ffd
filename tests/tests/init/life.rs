//! The life of a service, from `enable` to `disable`.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use thinjail_tests::client::{ask, listens};
use thinjail_tests::jail::send;
use thinjail_tests::process::Process;
use thinjail_tests::skip::program;
use thinjail_tests::{need, wait};

use crate::daemon::{Daemon, NGINX, REDIS};
use crate::etc;
use crate::system::{Status, System, tells};

/// In emulation everything takes its time.
const PATIENCE: Duration = Duration::from_secs(100);

#[track_caller]
fn wait_for<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    wait::poll(PATIENCE, ask).unwrap_or_else(|| panic!("waited in vain for {what}"))
}

#[track_caller]
fn serves(daemon: Daemon) -> Process {
    let is = |main: &Process| main.exe().is_some_and(|exe| exe.to_str() == Some(daemon.program));
    let main = wait_for("it serves", || daemon.serves().filter(is));
    daemon.answers();
    main
}

#[track_caller]
fn is(system: System, service: &str, status: &Status) {
    let mut said = None;
    let same = wait::poll(PATIENCE, || {
        let now = system.status(service);
        let same = now == *status;
        said = Some(now);
        same.then_some(())
    });
    assert!(same.is_some(), "{service} is not {status:?} but {said:?}");
}

fn life(system: System, daemon: Daemon) {
    let before = etc::now();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert_eq!(Daemon::processes(), [], "before");
    let mut service = daemon.profile.to_owned();
    if let Some(file) = system.taken(daemon.profile) {
        let taken = tells(&["enable", daemon.profile]).run();
        taken.expect_code(1).expect_stderr(&[&format!("{file} is there already, and not thinjail's"), "--as"]);
        etc::assert_same(&before, &etc::now());
        service += "-jailed";
    }
    let named = &format!("--as={service}");

    // Shown, and nothing done.
    let shown = tells(&["enable", "--dry-run", daemon.profile, named]).run();
    shown.expect_code(0);
    assert!(shown.stdout.contains("--- /dev/null\n+++ /etc/"), "{}", shown.stdout);
    etc::assert_same(&before, &etc::now());

    let done = tells(&["enable", daemon.profile, named]).run();
    done.expect_code(0);
    assert!(done.stdout.contains("+# Written by `thinjail enable "), "{}", done.stdout);
    if system != System::Runit {
        is(system, &service, &Status::Stopped);
        assert!(!listens(daemon.port));
    }

    // It starts with the system.
    system.boots();
    let main = serves(daemon);
    is(system, &service, &Status::Runs);

    system.does("restart", &service);
    let main = another(daemon, &main);

    // Reloaded, it is the same process.
    if daemon.port == 80 {
        let site = "/etc/nginx/conf.d/thinjail-test.conf";
        fs::write(site, "server { listen 80; server_name test; return 200 \"reloaded\"; }\n").unwrap();
        system.does("reload", &service);
        let curl = program("curl").unwrap();
        let said = || ask(&curl, &["-sS", "--max-time", "30", "-H", "Host: test", "http://127.0.0.1/"]);
        wait_for("the new configuration", || (said() == "reloaded").then_some(()));
        fs::remove_file(site).unwrap();
        // Debian's scripts leave what they don't know to sv(8) where that has a service of the same name, and it knows of no rotation.
        daemon.rotates((system == System::Runit).then_some(["sv", "1", &service]));
    } else {
        system.does("reload", &service);
        daemon.answers();
    }
    assert_eq!(daemon.serves().map(|now| now.pid), Some(main.pid));

    // A crash of the daemon, and one of our supervisor.
    send(main.pid, Signal::KILL);
    let main = back(system, &service, daemon, &main, true);
    let supervisor = supervisor(&main);
    send(supervisor, Signal::KILL);
    // A signal is sent before it has had its effect.
    let ended = || Process::of(supervisor).is_none_or(|process| process.state == 'Z').then_some(());
    wait_for("the supervisor's end", ended);
    back(system, &service, daemon, &main, false);
    is(system, &service, &Status::Runs);

    system.does("stop", &service);
    is(system, &service, &Status::Stopped);
    assert!(!listens(daemon.port));
    assert!(!fs::exists(daemon.pidfile).unwrap(), "the pidfile is left");
    if system != System::Runit {
        assert_eq!(Daemon::processes(), [], "left after the stop");
        // What runs is not taken away from under itself.
        system.does("start", &service);
        serves(daemon);
        let refused = tells(&["disable", daemon.profile, named]).run();
        refused.expect_code(1).expect_stderr(&[" runs", "--now"]);
    } else {
        system.does("start", &service);
        serves(daemon);
    }
    tells(&["disable", "--now", daemon.profile, named]).run().expect_code(0);
    assert!(!listens(daemon.port));
    let ended = wait::poll(PATIENCE, || Daemon::processes().is_empty().then_some(()));
    assert!(ended.is_some(), "left: {:?}", Daemon::processes());
    etc::assert_same(&before, &etc::now());
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), mounts);
    tells(&["disable", daemon.profile, named]).run().expect_code(1).expect_stderr(&["was not enabled"]);
}

/// The process that made the jail: the nearest above that is thinjail in our own pid namespace.
fn supervisor(main: &Process) -> i32 {
    let mut process = main.clone();
    let own = Process::of(std::process::id().try_into().unwrap()).unwrap().namespace("pid");
    loop {
        process = Process::of(process.parent).unwrap();
        if process.namespace("pid") == own {
            return process.pid;
        }
    }
}

/// The init system brings it back by itself after a crash; or the administrator does by its command, where nobody of ours is
/// left and it does not supervise.
#[track_caller]
fn back(system: System, service: &str, daemon: Daemon, before: &Process, supervised: bool) -> Process {
    if system == System::SysV && !supervised {
        let said = system.status(service);
        assert!(said != Status::Runs, "{said:?}");
        system.does("start", service);
    }
    another(daemon, before)
}

#[track_caller]
fn another(daemon: Daemon, before: &Process) -> Process {
    wait_for("another main process", || daemon.serves().filter(|main| main.pid != before.pid));
    serves(daemon)
}

#[test]
fn nginx_lives_as_a_service() {
    let system = need!(System::here());
    life(system, NGINX);
}

#[test]
fn redis_lives_as_a_service() {
    let system = need!(System::here());
    life(system, REDIS);
}
