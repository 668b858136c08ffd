//! `restart`, its waits and its limit; and that no life of a jail leaves anything to the next.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use thinjail_tests::host::alone;
use thinjail_tests::process::Process;
use thinjail_tests::{figures, need, skip, wait};

use crate::jail::{BUSYBOX, Jail};

/// The waits that it said, in milliseconds.
fn waits(said: &str) -> Vec<u32> {
    let number = |line: &str| line.rsplit_once("started again in ")?.1.strip_suffix(" ms")?.parse().ok();
    said.lines().filter_map(number).collect()
}

#[test]
fn each_wait_is_twice_as_long_up_to_the_longest_and_the_limit_ends_it() {
    need!(skip::namespaces());
    let _alone = alone();
    let keys = "restart = \"on-failure\"\nrestart-delay = \"50ms\"\nrestart-delay-max = \"150ms\"\nrestart-limit = 4\n";
    let jail = Jail::of_script("limit", "echo up; exit 3", keys);
    let before = jail.snapshot();
    let begin = Instant::now();
    let finished = jail.ask("run");
    assert_eq!(waits(&finished.expect_code(3).stderr), [50, 100, 150, 150]);
    assert!(begin.elapsed() >= Duration::from_millis(450), "{:?}", begin.elapsed());
    assert_eq!(finished.stdout, "up\n".repeat(5));
    finished.expect_stderr(&["busybox: exited with 3", "was started again 4 times, and is given up"]);
    jail.assert_as(&before);
}

#[test]
fn what_is_longer_ago_than_the_restart_interval_counts_no_more() {
    need!(skip::namespaces());
    let _alone = alone();
    let keys = "restart = \"always\"\nrestart-delay = \"10ms\"\nrestart-limit = 1\nrestart-interval = \"200ms\"\n";
    let jail = Jail::of_script("interval", "echo up; sleep 0.4", keys);
    let mut running = jail.thinjail(&["run", &jail.name]).spawn();
    running.wait_until("the fourth start", |running| (running.stdout().matches("up").count() >= 4).then_some(()));
    let finished = running.stop();
    assert_eq!(waits(&finished.stderr)[..3], [10, 10, 10], "{}", finished.stderr);
}

#[test]
fn restart_says_which_ends_are_followed_by_another_start() {
    need!(skip::namespaces());
    let _alone = alone();
    // Three lives: it fails, it is killed, it ends well.
    let script =
        "cd DATA; case $(ls | wc -l) in 0) : >one; exit 1;; 1) : >two; kill -9 $$;; *) : >three; exit 0;; esac";
    for (when, code, lives) in [("no", 1, 1), ("on-failure", 0, 3), ("always", 0, 5)] {
        let keys =
            format!("programs = [\"ls\", \"wc\"]\nrestart = {when:?}\nrestart-delay = \"1ms\"\nrestart-limit = 4\n");
        let profile = format!("command = [\"{BUSYBOX}\", \"sh\", \"-c\", {script:?}]\n{keys}");
        let jail = Jail::new(when, &if when == "no" { profile.replace("restart-", "# restart-") } else { profile });
        let finished = jail.ask("run");
        finished.expect_code(code);
        assert_eq!(waits(&finished.stderr).len() + 1, lives, "{when}: {}", finished.stderr);
    }
}

#[test]
fn a_jail_that_is_told_to_stop_is_not_started_again_while_it_waits_or_runs() {
    need!(skip::namespaces());
    let _alone = alone();
    let keys = "restart = \"always\"\nrestart-delay = \"1m\"\nrun-dir = \"NAME\"\n";
    let jail = Jail::of_script("told", "exec sleep 1000", keys);
    let before = jail.snapshot();
    jail.ask("start").expect_code(0);
    jail.ask("stop").expect_code(0);
    jail.assert_as(&before);
    jail.ask("start").expect_code(0);
    jail.send("pid", Signal::KILL);
    let waits = || jail.status()["condition"] == "waiting";
    wait::until_true("it waits for its next start", waits);
    let said = jail.ask("status");
    assert!(said.expect_code(3).stdout.contains("has ended, and is started again by"), "{said:?}");
    // The name is taken all the same.
    jail.ask("start").expect_code(0).expect_stderr(&["runs already"]);
    jail.ask("stop").expect_code(0);
    jail.assert_as(&before);
}

#[test]
fn a_restart_makes_a_new_plan_and_goes_on_trying_where_there_is_none() {
    need!(skip::namespaces());
    let _alone = alone();
    let program = |jail: &Jail, version: u32| {
        // As a package manager does it: a new file by the old name.
        let text = format!("#!{BUSYBOX} sh\necho version {version}\nexec sleep 1000\n");
        let new = jail.temp.file("program.new", text);
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&new, jail.temp.path().join("program")).unwrap();
    };
    let jail = Jail::new("again", "");
    program(&jail, 1);
    let keys = "programs = [\"sleep\"]\nrestart = \"always\"\nrestart-delay = \"20ms\"\nrestart-delay-max = \"20ms\"\nrestart-limit = 0\n";
    let profile = format!("command = {:?}\n{keys}", jail.temp.at("program"));
    jail.write(&profile);
    let mut running = jail.thinjail(&["run", &jail.name]).spawn();
    running.wait_for_stdout("version 1");
    program(&jail, 2);
    let kill = |running: &thinjail_tests::jail::Running| {
        for process in running.executing(BUSYBOX) {
            thinjail_tests::jail::send(process.pid, Signal::KILL);
        }
    };
    kill(&running);
    running.wait_for_stdout("version 2");
    // In the middle of an upgrade there is none; and then a profile that is not understood.
    fs::rename(jail.temp.path().join("program"), jail.temp.path().join("away")).unwrap();
    kill(&running);
    running.wait_until("it says what is missing", |running| running.stderr().contains("does not exist").then_some(()));
    program(&jail, 3);
    running.wait_for_stdout("version 3");
    jail.write("frobnicate = 1");
    kill(&running);
    running.wait_until("it says what is wrong", |running| running.stderr().contains("frobnicate").then_some(()));
    jail.write(&profile);
    running.wait_until("it is up again", |running| (running.stdout().matches("version 3").count() == 2).then_some(()));
    running.stop().expect_code(143);
}

/// What a supervisor holds.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    processes: usize,
    mounts: usize,
    private: u64,
}

fn held(supervisor: i32) -> Held {
    let count = |path: String| fs::read_dir(path).map_or(0, Iterator::count);
    let rollup = fs::read_to_string(format!("/proc/{supervisor}/smaps_rollup")).unwrap();
    let kib = |line: &str| line.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    Held {
        descriptors: count(format!("/proc/{supervisor}/fd")),
        processes: Process::below(supervisor).len(),
        mounts: fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count(),
        private: rollup.lines().filter(|line| line.starts_with("Private")).map(kib).sum(),
    }
}

#[test]
fn thousands_of_restarts_leak_nothing() {
    need!(skip::namespaces());
    let _alone = alone();
    // All of them take a while: CI does some, and whoever wants to know sets the variable.
    let times: i32 = std::env::var("THINJAIL_RESTARTS").map_or(200, |times| times.parse().unwrap());
    let keys = "restart = \"on-failure\"\nrestart-delay = \"0ms\"\nrestart-limit = 0\nrun-dir = \"NAME\"\n";
    let pids = "[limits]\nmaxproc = 20\n";
    let jail = Jail::of_script("leak", "[ -e DATA/rest ] && exec sleep 1000; exit 1", "");
    let script = "[ -e DATA/rest ] && exec sleep 1000; exit 1";
    jail.temp.dir("pids");
    let pidfile = format!("pidfile = \"{}/x.pid\"\n", jail.temp.at("pids"));
    jail.write(&format!(
        "command = [\"{BUSYBOX}\", \"sh\", \"-c\", {script:?}]\nprograms = [\"sleep\"]\n{keys}{pidfile}{pids}"
    ));
    let before = jail.snapshot();
    let rest = jail.data("rest");
    let begin = Instant::now();
    fs::write(&rest, "").unwrap();
    jail.ask("start").expect_code(0);
    let supervisor = jail.number("supervisor");
    let settle = |least: i32| {
        fs::remove_file(&rest).unwrap();
        jail.send("pid", Signal::KILL);
        let often = wait::poll(Duration::from_secs(200), || {
            std::thread::sleep(Duration::from_millis(20));
            (jail.status()["restarts"].as_i64()? >= i64::from(least)).then_some(())
        });
        assert!(often.is_some(), "it was not started {least} times: {}", jail.status());
        fs::write(&rest, "").unwrap();
        wait::until_true("it rests", || {
            jail.status()["condition"] == "running" && Process::below(supervisor).len() == 2
        });
        // By then it has given back the memory that its start took.
        std::thread::sleep(Duration::from_millis(1500));
        held(supervisor)
    };
    let first = settle(20);
    let mut done = 20;
    let mut last = settle(done);
    while done < times {
        done = times.min(done + 1000);
        last = settle(done);
    }
    let restarts = jail.number("restarts");
    figures::show(&format!(
        "{restarts} restarts in {:.1} s: {first:?} after the first 20, {last:?} after all",
        begin.elapsed().as_secs_f64()
    ));
    assert_eq!(jail.number("supervisor"), supervisor);
    let even = |held: &Held| (held.descriptors, held.processes, held.mounts);
    assert_eq!(even(&last), even(&first));
    assert!(last.private <= first.private + 200, "{} KiB became {}", first.private, last.private);
    let journal = fs::metadata(format!("/run/thinjail/{}.journal", jail.name)).unwrap().len();
    assert!(journal < 10_000, "the journal has grown to {journal} bytes");
    jail.ask("stop").expect_code(0);
    jail.assert_as(&before);
}

#[test]
fn a_supervisor_that_is_killed_between_two_lives_is_told_of_at_once() {
    need!(skip::namespaces());
    let _alone = alone();
    let keys = "restart = \"on-failure\"\nrestart-delay = \"0ms\"\nrestart-limit = 0\nrun-dir = \"NAME\"\n";
    let jail = Jail::of_script("killed", "exit 1", keys);
    let before = jail.snapshot();
    let mut found = [0; 2];
    for round in 0..60_u32 {
        jail.ask("start").expect_code(0);
        let supervisor = jail.number("supervisor");
        std::thread::sleep(Duration::from_micros(u64::from(round * 733 % 20_000)));
        thinjail_tests::jail::send(supervisor, Signal::KILL);
        wait::until_true("it has ended", || Process::of(supervisor).is_none_or(|process| process.state == 'Z'));
        let said = jail.ask("status");
        // With nothing on the host there is nothing left; else it is said.
        let code = said.code().unwrap();
        assert!(matches!(code, 1 | 3), "{said:?}");
        found[usize::from(code == 1)] += 1;
        let verb = ["start", "clean", "stop"][round as usize % 3];
        jail.ask(verb).expect_code(0);
        jail.ask("stop").expect_code(0);
        jail.assert_as(&before);
    }
    figures::show(&format!("60 supervisors killed while they made jails: {} had left something", found[1]));
}
