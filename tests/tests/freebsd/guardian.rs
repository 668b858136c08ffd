//! SIGKILL of the runner, of whatever watches it, and of both, at random moments: nothing is left but what `clean` takes away.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use thinjail_tests::figures::show;
use thinjail_tests::freebsd::{jails, params};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Running, thinjail};
use thinjail_tests::process::Process;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip, wait};

use crate::{STAY, profile, up};

/// The processes of ours that are on the host and are not the runner: its guardian, before FreeBSD 15.
fn guardians(jail: &Running) -> Vec<Process> {
    let ours = Process::all().into_iter().filter(|process| process.jid == 0 && process.state != 'Z');
    ours.filter(|process| process.name.starts_with("thinjail") && process.pid != jail.pid()).collect()
}

/// It may end by itself at this moment.
fn kill(process: &Process) {
    if process.runs() {
        let _ = kill_process(Pid::from_raw(process.pid).unwrap(), Signal::KILL);
    }
}

/// Numbers that look random, and are the same for the same seed; xorshift64*.
struct Random(u64);

impl Random {
    /// By `THINJAIL_SEED`, or by the clock, and shown.
    fn seeded() -> Self {
        let given = std::env::var("THINJAIL_SEED").ok().map(|seed| seed.parse().expect("a number in THINJAIL_SEED"));
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
        let seed: u64 = given.unwrap_or_else(clock);
        show(&format!("THINJAIL_SEED={seed}"));
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    /// Some moment of this time.
    fn within(&mut self, time: Duration) -> Duration {
        time * u32::try_from(self.below(1000)).unwrap() / 1000
    }
}

/// Whom a round kills: the runner, its guardian, or both.
const VICTIMS: [(&str, bool, bool); 3] =
    [("the runner", true, false), ("the guardian", false, true), ("both", true, true)];

/// When: while it starts, while it runs, while it stops.
const PHASES: [&str; 3] = ["starting", "running", "stopping"];

/// Every file below, with all that is in it.
fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(content(&entry.path())),
            false => drop(found.insert(entry.path(), fs::read(entry.path()).unwrap())),
        }
    }
    found
}

/// For a failure: whose zombie it may be that holds a jail.
fn all_processes() -> String {
    let said = Command::new("ps").args(["-axwwo", "pid,ppid,jid,state,lstart,wchan,command"]).output().unwrap();
    String::from_utf8_lossy(&said.stdout).into_owned()
}

/// Rounds at least, however long they take, and at most; and how long there are more.
const ROUNDS: std::ops::Range<usize> = 36..180;
const PATIENCE: Duration = Duration::from_secs(150);

#[test]
fn the_runner_its_guardian_or_both_are_killed_at_random_moments() {
    need!(skip::root());
    let _alone = alone();
    let temp = TempDir::new();
    temp.dir("data");
    for number in 0..8_usize {
        temp.file(&format!("data/{number}"), vec![7; number * 9_999]);
    }
    let more = format!(
        "tmp = true\nwrite = [\"{}\"]\nstop-timeout = \"1s\"\n[freebsd.params]\n\"children.max\" = \"0\"\n",
        temp.at("data")
    );
    let profiles = profile(&temp, "guarded", STAY, &more);
    let start = || thinjail(["run", "guarded"]).profiles(&profiles).spawn();
    let (begin, mut first) = (Instant::now(), start());
    first.wait_for_stdout("ready\n");
    let starting = begin.elapsed();
    let begin = Instant::now();
    first.stop();
    let stopping = begin.elapsed();
    let (before, data) = (Snapshot::take(&[temp.path()]), content(&temp.path().join("data")));
    let mut random = Random::seeded();
    let mut histogram: BTreeMap<String, usize> = BTreeMap::new();
    let begin = Instant::now();
    for round in 0..ROUNDS.end {
        if round >= ROUNDS.start && begin.elapsed() > PATIENCE {
            break;
        }
        // Each with each, in no order that the rounds have in common.
        let (victim, runner, guardian) = VICTIMS[usize::try_from(random.below(3)).unwrap()];
        let phase = PHASES[usize::try_from(random.below(3)).unwrap()];
        let mut jail = start();
        let moment = match phase {
            "starting" => random.within(starting),
            "running" => random.within(Duration::from_millis(100)),
            _ => random.within(stopping),
        };
        if phase != "starting" {
            jail.wait_for_stdout("ready\n");
        }
        if phase == "stopping" {
            jail.signal(Signal::TERM);
        }
        std::thread::sleep(moment);
        let ended = jail.ended().is_some();
        let guardians = if guardian { guardians(&jail) } else { Vec::new() };
        guardians.iter().for_each(kill);
        if runner && jail.ended().is_none() {
            jail.signal(Signal::KILL);
        }
        if !runner && jail.ended().is_none() {
            jail.signal(Signal::TERM);
        }
        wait::until_true("the runner ends", || jail.ended().is_some());
        if !guardian {
            wait::until_true("the guardian ends the jail", || params("guarded").is_none());
        }
        let met = match (ended, guardian && guardians.is_empty()) {
            (true, _) => ", too late",
            (false, true) => ", no guardian there",
            (false, false) => "",
        };
        let cleaned = thinjail(["clean", "--all"]).run();
        let found = if cleaned.expect_code(0).stderr.contains("had been killed") { ": clean had to" } else { "" };
        *histogram.entry(format!("{phase}, {victim}{met}{found}")).or_default() += 1;
        let left = jails();
        let said = format!("round {round}, {phase}, {moment:?}, {victim}{met}{found}");
        assert!(!left.iter().any(|name| name == "guarded"), "{said}: {left:?}");
        let mut differences = Vec::new();
        let same = wait::poll(Duration::from_secs(10), || {
            differences = before.differences(&Snapshot::take(&[temp.path()]));
            differences.is_empty().then_some(())
        });
        assert!(same.is_some(), "{said}: {differences:#?}\n{}", all_processes());
        assert!(content(&temp.path().join("data")) == data, "{said}: the data has changed");
    }
    show(&format!("{} rounds in {:?}:", histogram.values().sum::<usize>(), begin.elapsed()));
    histogram.iter().for_each(|(what, count)| show(&format!("{count:5} {what}")));
    for phase in PHASES {
        let met = histogram.keys().any(|what| what.starts_with(phase) && !what.contains("too late"));
        assert!(met, "nothing was killed {phase}: {histogram:?}");
    }
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
fn a_runner_that_is_killed_when_its_jail_has_ended_leaves_nothing_either() {
    need!(skip::root());
    let _alone = alone();
    let temp = TempDir::new();
    // Between the end of the jail and that of its mounts.
    let more = "[freebsd.params]\n\"exec.poststop\" = \"sleep 3\"\n";
    up(&temp, "guarded", more).stop();
    let before = Snapshot::take(&[temp.path()]);
    let mut jail = up(&temp, "guarded", more);
    jail.signal(Signal::TERM);
    wait::until_true("the hook runs", || {
        Process::below(jail.pid()).iter().any(|one| one.jid == 0 && one.name == "sleep")
    });
    jail.signal(Signal::KILL);
    wait::until_true("the runner ends", || jail.ended().is_some());
    before.assert_same_within(Duration::from_secs(30), &[temp.path()]);
    assert!(!thinjail(["clean", "--all"]).run().stderr.contains("had been killed"));
}

/// The names of all jails, those too that only something that has ended holds.
fn jails_and_dying() -> Vec<String> {
    let said = Command::new("jls").args(["-d", "name"]).output().unwrap();
    String::from_utf8_lossy(&said.stdout).lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn a_zombie_that_init_was_not_told_of_holds_no_jail_after_clean() {
    need!(skip::root());
    let _alone = alone();
    let temp = TempDir::new();
    up(&temp, "guarded", "").stop();
    let before = Snapshot::take(&[temp.path()]);
    let mut jail = up(&temp, "guarded", "");
    guardians(&jail).iter().for_each(kill);
    // The main process and its `sleep` end, and the runner does not take note of it any more.
    jail.signal(Signal::STOP);
    let inside: Vec<Process> = Process::all().into_iter().filter(|process| process.jid != 0).collect();
    inside.iter().for_each(kill);
    wait::until_true("all in the jail end", || !inside.iter().any(Process::runs));
    jail.signal(Signal::KILL);
    // By this wait(2) of ours its zombies become those of init(8), which sleeps.
    wait::until_true("the runner ends", || jail.ended().is_some());
    let held = jails_and_dying().iter().any(|name| name == "guarded");
    show(&format!("the jail was {}", if held { "held by a zombie" } else { "gone before" }));
    thinjail(["clean", "--all"]).run().expect_code(0);
    wait::until_true("the jail is gone", || !jails_and_dying().iter().any(|name| name == "guarded"));
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
