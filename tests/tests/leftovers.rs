//! Nothing is left on the host, however a start or a run ends: mounts, files, processes, cgroups before and after.
//!
//! What SIGKILL of the supervisor may leave is named here and nowhere else: its journal, its pidfile, and empty directories that
//! were made for the jail, which the next start takes back.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use thinjail_tests::figures::show;
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Thinjail, thinjail, thinjail_through};
use thinjail_tests::process::Process;
use thinjail_tests::temp::{TempDir, chmod};
use thinjail_tests::{binary, calls, need, skip, wait};

/// A static program: few files, so that each of them is another step.
const BUSYBOX: &str = "/usr/bin/busybox";
const USER: u32 = 65_534;

/// A jail that uses everything: directories made on the host, a pidfile, data that is written to, its own network.
struct Site {
    dir: TempDir,
    run_dir: String,
    network: &'static str,
    before: Snapshot,
    data: BTreeMap<PathBuf, Vec<u8>>,
}

impl Site {
    fn new() -> Self {
        Self::with_network("none")
    }

    /// Which network decides whether pid 1 can be made before there is a plan.
    fn with_network(network: &'static str) -> Self {
        let dir = TempDir::new();
        let data = dir.dir("data");
        dir.dir("pids");
        dir.dir("data/below");
        dir.file("data/one", [1; 10_000]);
        dir.file("data/below/two", "two");
        for name in ["data", "data/one", "data/below", "data/below/two"] {
            let (uid, gid) = (rustix::fs::Uid::from_raw(USER), rustix::fs::Gid::from_raw(USER));
            rustix::fs::chown(dir.path().join(name), Some(uid), Some(gid)).unwrap();
        }
        chmod(&data, 0o700);
        let run_dir = format!("thinjail-test-{}", std::process::id());
        let mut site = Self { before: Snapshot::take(&[]), dir, run_dir, network, data: BTreeMap::new() };
        site.data = site.content();
        site.before = site.snapshot();
        site
    }

    fn made(&self) -> [PathBuf; 2] {
        [Path::new("/run").join(&self.run_dir), self.dir.path().join("made")]
    }

    fn pidfile(&self) -> PathBuf {
        self.dir.path().join("pids/x.pid")
    }

    fn snapshot(&self) -> Snapshot {
        let [run, _] = self.made();
        Snapshot::take(&[self.dir.path(), &run])
    }

    fn content(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        ["data/one", "data/below/two"]
            .map(|name| self.dir.path().join(name))
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .into()
    }

    /// The flags, the program and its arguments.
    fn args(&self, more: &[&str], program: &[&str]) -> Vec<String> {
        let flags = [
            "run".into(),
            "--user=65534".into(),
            "--etc=".into(),
            "--tmp".into(),
            "--hostname=jailed".into(),
            format!("--network={}", self.network),
            "--capabilities=net_bind_service".into(),
            "--limits=openfiles=100".into(),
            format!("--run-dir={}", self.run_dir),
            format!("--mount={}:create,write", self.dir.at("made")),
            format!("--write={}", self.dir.at("data")),
            format!("--pidfile={}", self.pidfile().display()),
        ];
        flags.into_iter().chain([more, &["--"], program].concat().into_iter().map(String::from)).collect()
    }

    fn jail(&self, more: &[&str], program: &[&str]) -> Thinjail {
        thinjail(self.args(more, program))
    }

    /// A program that reads the data and ends.
    fn reader(&self) -> Vec<String> {
        self.args(&[], &[BUSYBOX, "cat", &self.dir.at("data/one")])
    }

    /// What differs from before, once all processes had a moment to end.
    fn differences(&self) -> Vec<String> {
        let mut found = Vec::new();
        wait::poll(Duration::from_secs(5), || {
            found = self.before.differences(&self.snapshot());
            (!found.iter().any(|line| line.starts_with("process"))).then_some(())
        });
        found
    }

    /// Fails unless everything is as it was.
    #[track_caller]
    fn assert_as_before(&self, what: &str) {
        let found = self.differences();
        assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
        assert!(self.content() == self.data, "{what}: the data has changed");
    }

    /// The directory that stays by its profile's words is taken away, so that the next start makes it again.
    fn forget_made(&self) {
        let [_, made] = self.made();
        if made.exists() {
            fs::remove_dir(made).expect("it is empty");
        }
    }

    /// After SIGKILL of the supervisor: nothing but what is named above, and the next start goes well.
    #[track_caller]
    fn assert_only_the_known_is_left(&self, what: &str) {
        let known = [&self.made()[..], &[self.pidfile()]].concat();
        let known: Vec<String> = known.iter().map(|path| format!("file left: {} ", path.display())).collect();
        let found = self.differences();
        let unknown: Vec<&String> =
            found.iter().filter(|line| !known.iter().any(|known| line.starts_with(known))).collect();
        assert!(unknown.is_empty(), "{what}: {unknown:#?}");
        assert!(self.content() == self.data, "{what}: the data has changed");
        if !found.is_empty() {
            let next = thinjail(self.reader()).run();
            assert_eq!(next.code(), Some(0), "{what}: the next start: {}", next.stderr);
            assert!(!self.pidfile().exists(), "{what}: the next start did not replace the pidfile");
            for made in self.made().into_iter().filter(|made| made.exists()) {
                fs::remove_dir(made).expect("it is empty");
            }
        }
        self.assert_as_before(what);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let [run, _] = self.made();
        let _ = fs::remove_dir(run);
    }
}

#[test]
fn nothing_is_left_after_an_end_of_its_own_or_a_stop() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    let site = Site::new();
    for status in ["0", "3"] {
        let finished = site.jail(&[], &[BUSYBOX, "sh", "-c", &format!("exit {status}")]).run();
        assert_eq!(finished.code().map(|code| code.to_string()).as_deref(), Some(status), "{}", finished.stderr);
        assert_eq!(finished.stderr, "");
        site.forget_made();
        site.assert_as_before("a normal end");
    }
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        // A child that outlives its parent, and would go on.
        let script = "(trap '' TERM INT HUP; sleep 60) & echo ready; exec sleep 60";
        let mut running = site.jail(&[], &[BUSYBOX, "sh", "-c", script]).spawn();
        running.wait_for_stdout("ready");
        wait::until_true("it sleeps", || running.inside().len() == 3);
        running.signal(signal);
        running.finish().expect_code(code);
        site.forget_made();
        site.assert_as_before("a stop");
    }
}

#[test]
fn nothing_is_left_of_a_start_that_fails() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    let site = Site::new();
    let data = site.dir.at("data");
    // The user may not enter it, which shows only when it is tried.
    let private = site.dir.dir("private");
    chmod(&private, 0o700);
    let private = private.display().to_string();
    // Root's alone, so its user can't execute it.
    site.dir.dir("bin");
    let program = site.dir.program("bin/mine", fs::read(BUSYBOX).unwrap());
    chmod(&program, 0o700);
    let program = program.display().to_string();
    let before = site.snapshot();
    let more_than_the_kernel_allows = "--limits=openfiles=4000000000";
    let cases: [(&[&str], &[&str], i32); 7] = [
        (&["--chdir=/not/there"], &[BUSYBOX, "true"], 125),
        (&["--read", &private, "--chdir", &private], &[BUSYBOX, "true"], 125),
        (&[], &[&program, "true"], 126),
        (&[more_than_the_kernel_allows], &[BUSYBOX, "true"], 125),
        (&["--read=/not/there"], &[BUSYBOX, "true"], 125),
        (&[], &["/not/there"], 127),
        (&["--mount", &format!("{data}/one:{data}/not-there")], &[BUSYBOX, "true"], 125),
    ];
    for (flags, command, code) in cases {
        let finished = site.jail(flags, command).run();
        assert_eq!(finished.code(), Some(code), "{flags:?} {command:?}: {}", finished.stderr);
        assert_eq!(finished.stderr.matches("thinjail: ").count(), 1, "{}", finished.stderr);
        let found = before.differences(&site.snapshot());
        assert!(found.is_empty(), "{flags:?} {command:?}: {found:#?}");
    }
}

#[test]
fn a_limit_of_file_sizes_fails_a_start_and_kills_nobody() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    let site = Site::new();
    // What it says can't be written either.
    site.jail(&[], &[BUSYBOX, "true"]).after("ulimit -f 0").run().expect_code(125);
    site.assert_as_before("no file may have a byte");
    // Nor may it be written that something is taken back which an earlier one has left.
    let mut killed = site.jail(&[], &[BUSYBOX, "sleep", "1000"]).spawn();
    killed.wait_until("the pidfile", |_| site.pidfile().exists().then_some(()));
    killed.signal(Signal::KILL);
    killed.finish();
    site.jail(&[], &[BUSYBOX, "true"]).after("ulimit -f 0").run().expect_code(125);
    site.assert_only_the_known_is_left("no file may have a byte, and an earlier jail was killed");
}

/// System calls of a start that can fail. Each is made to, the first time and the next, until it is not called so often.
const CALLS: [&str; 31] = [
    "capset",
    "chdir",
    "clone",
    "clone3",
    "close_range",
    "execve",
    "fchdir",
    "fchmod",
    "fchown",
    "flock",
    "fsconfig",
    "fsmount",
    "fsopen",
    "ioctl",
    "keyctl",
    "mkdirat",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "openat2",
    "pidfd_open",
    "pivot_root",
    "prctl",
    "prlimit64",
    "recvmsg",
    "sendmsg",
    "sendto",
    "sethostname",
    "setresuid",
    "signalfd4",
    "umount2",
];

#[test]
fn a_start_that_fails_at_any_system_call_leaves_nothing() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    need!(skip::program("strace"));
    let log = TempDir::new();
    let mut failed = 0;
    for (call, site) in CALLS.iter().flat_map(|call| NETWORKS.map(|network| (call, Site::with_network(network)))) {
        // The first execve is that of thinjail itself.
        let first = if *call == "execve" { 2 } else { 1 };
        for when in first..first + 6 {
            let inject = format!("inject={call}:error=EIO:when={when}");
            let trace = log.at("trace");
            let through = ["strace", "-f", "-qq", "-o", &trace, "-e", &format!("trace={call}"), "-e", &inject];
            let finished = thinjail_through(through, site.reader()).run();
            let what = format!("{call} fails the {when}. time: {:?} {}", finished.code(), finished.stderr);
            if !fs::read_to_string(&trace).unwrap().contains("(INJECTED)") {
                site.forget_made();
                break;
            }
            match finished.code() {
                Some(125 | 126) => {
                    assert!(finished.stderr.starts_with("thinjail: "), "{what}");
                    failed += 1;
                }
                // The program itself, or something that need not succeed.
                _ => site.forget_made(),
            }
            site.assert_as_before(&what);
        }
    }
    show(&format!("{failed} starts failed, each at another system call; nothing was left"));
    assert!(failed >= 80, "only {failed} starts failed");
}

/// With both of them: pid 1 is made with the plan known, or before there is one.
const NETWORKS: [&str; 2] = ["none", "inherit"];

/// What a traced run did.
struct Traced {
    /// Every system call, in order: whose, and its number.
    calls: Vec<(String, u64)>,
    killed: bool,
    end: String,
}

fn trace(role: &str, count: usize, args: &[String]) -> Traced {
    let output = Command::new("perl")
        .args(["-e", include_str!("leftovers/tracer.pl"), role, &count.to_string()])
        .arg(binary::thinjail())
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let mut traced = Traced { calls: Vec::new(), killed: false, end: String::new() };
    // What is not ours is the data that the program inside prints.
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match line.split_once(' ') {
            None if line.ends_with("killed") => traced.killed = true,
            Some(("exit" | "signal", _)) => traced.end = line.into(),
            Some((role, number)) => traced.calls.extend(number.parse().ok().map(|number| (role.to_owned(), number))),
            None => {}
        }
    }
    traced
}

#[test]
fn sigkill_of_each_process_before_each_system_call_leaves_nothing() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    need!(skip::program("cc"));
    let names: BTreeMap<u64, String> = calls::numbers().into_iter().map(|(name, number)| (number, name)).collect();
    let name = |number: u64| names.get(&number).cloned().unwrap_or_else(|| number.to_string());
    let mut histogram: BTreeMap<String, u32> = BTreeMap::new();
    for network in NETWORKS {
        let site = Site::with_network(network);
        let args = site.args(&[], &[BUSYBOX, "true"]);
        let whole = trace("none", 0, &args);
        assert_eq!(whole.end, "exit 0");
        site.forget_made();
        for role in ["supervisor", "init", "main"] {
            let calls: Vec<u64> =
                whole.calls.iter().filter(|(whose, _)| whose == role).map(|(_, call)| *call).collect();
            // Before it takes its signals the supervisor has only read, and nothing can be left.
            let begin = calls.iter().position(|call| role == "supervisor" && name(*call) == "signalfd4").unwrap_or(0);
            for (at, call) in calls.iter().enumerate().skip(begin) {
                // Of many calls of a kind in a row (a default action for each signal) the first and the last.
                if at > begin && at + 1 < calls.len() && calls[at - 1] == *call && calls[at + 1] == *call {
                    continue;
                }
                let what = format!("{role} killed before its call {} of {}, {}", at + 1, calls.len(), name(*call));
                let traced = trace(role, at + 1, &args);
                if role == "supervisor" {
                    // Which end of the jail comes first is a race: the last calls may come in another order, or not at all.
                    assert_eq!(traced.end, if traced.killed { "signal 9" } else { "exit 0" }, "{what}");
                    site.assert_only_the_known_is_left(&what);
                } else {
                    let known: &[&str] = if traced.killed { &["exit 125", "exit 137", "exit 0"] } else { &["exit 0"] };
                    assert!(known.contains(&traced.end.as_str()), "{what}: {}", traced.end);
                    if traced.end != "exit 125" {
                        site.forget_made();
                    }
                    site.assert_as_before(&what);
                }
                if traced.killed {
                    *histogram.entry(format!("{role:10} {}", name(*call))).or_default() += 1;
                }
            }
        }
    }
    let kills: u32 = histogram.values().sum();
    show(&format!("{kills} kills, by process and system call:"));
    histogram.iter().for_each(|(phase, count)| show(&format!("{count:5} {phase}")));
    for named in [
        "supervisor mkdirat",
        "supervisor fchown",
        "supervisor flock",
        "supervisor fsopen",
        "supervisor fsconfig",
        "supervisor fsmount",
        "supervisor openat2",
        "supervisor open_tree",
        "supervisor mount_setattr",
        "supervisor move_mount",
        "supervisor socketpair",
        "supervisor clone3",
        "supervisor recvmsg",
        "supervisor pidfd_open",
        "supervisor write",
        "supervisor unlinkat",
        "init prctl",
        "init mount_setattr",
        "init move_mount",
        "init pivot_root",
        "init umount2",
        "init fsopen",
        "init sethostname",
        "init ioctl",
        "init clone",
        "init capset",
        "init close_range",
        "main read",
        "main recvmsg",
        "main sethostname",
        "main move_mount",
        "main chroot",
        "main unshare",
        "main setsid",
        "main keyctl",
        "main prlimit64",
        "main prctl",
        "main setgroups",
        "main setresgid",
        "main setresuid",
        "main capset",
        "main close_range",
        "main chdir",
        "main sendto",
        "main execve",
    ] {
        let (role, call) = named.split_once(' ').unwrap();
        assert!(histogram.contains_key(&format!("{role:10} {call}")), "nobody was killed at: {named}");
    }
}

/// How far a start has got, as the host sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    BeforeTheJail,
    Init,
    MainBeforeExec,
    Running,
    Ended,
}

fn phase(supervisor: i32) -> (Phase, Vec<i32>) {
    let child = |pid: i32| -> Option<i32> {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    };
    let state = Process::of(supervisor).map_or('Z', |process| process.state);
    let Some(init) = child(supervisor) else {
        return (if state == 'Z' { Phase::Ended } else { Phase::BeforeTheJail }, vec![supervisor]);
    };
    let Some(main) = child(init) else { return (Phase::Init, vec![supervisor, init]) };
    let runs = Process::of(main).and_then(|main| main.exe()).is_some_and(|exe| exe == Path::new(BUSYBOX));
    (if runs { Phase::Running } else { Phase::MainBeforeExec }, vec![supervisor, init, main])
}

#[test]
fn sigkill_at_random_moments_leaves_nothing() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    for network in NETWORKS {
        kill_at_random_moments(&Site::with_network(network));
    }
}

fn kill_at_random_moments(site: &Site) {
    let args = site.args(&[], &[BUSYBOX, "sleep", "0.003"]);
    let mut random = Random(u64::from(std::process::id()) | 1);
    let mut histogram: BTreeMap<(Phase, &str), u32> = BTreeMap::new();
    let rare = |histogram: &BTreeMap<(Phase, &str), u32>| {
        [Phase::BeforeTheJail, Phase::Init, Phase::MainBeforeExec, Phase::Running]
            .map(|phase| histogram.iter().filter(|((of, _), _)| *of == phase).map(|(_, count)| count).sum::<u32>())
            .into_iter()
            .min()
    };
    let begin = Instant::now();
    let mut rounds = 0;
    let mut whole = Duration::from_millis(5);
    while rounds < 200 || rare(&histogram) < Some(10) {
        assert!(begin.elapsed() < Duration::from_secs(120), "some phase is never met: {histogram:?}");
        rounds += 1;
        let started = Instant::now();
        let mut child =
            Command::new(binary::thinjail()).args(&args).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let supervisor = i32::try_from(child.id()).unwrap();
        let target = ["supervisor", "init", "main", "all"][random.below(4)];
        let delay = Duration::from_nanos(random.below(usize::try_from(whole.as_nanos()).unwrap()) as u64);
        // A sleep is too coarse here.
        while started.elapsed() < delay {
            std::hint::spin_loop();
        }
        let (phase, processes) = phase(supervisor);
        let victims: Vec<i32> = match target {
            "supervisor" => vec![supervisor],
            "init" => processes.get(1).copied().into_iter().collect(),
            "main" => processes.get(2).copied().into_iter().collect(),
            _ => processes.clone(),
        };
        for victim in &victims {
            let _ = rustix::process::kill_process(rustix::process::Pid::from_raw(*victim).unwrap(), Signal::KILL);
        }
        let status = wait::until("thinjail ends", || child.try_wait().unwrap());
        let what = format!("{target} killed in phase {phase:?} after {delay:?}: {status:?}");
        if victims.is_empty() || phase == Phase::Ended {
            assert_eq!(status.code(), Some(0), "{what}");
            whole = (whole + started.elapsed()) / 2;
        } else {
            *histogram.entry((phase, target)).or_default() += 1;
        }
        if status.code() == Some(125) {
            site.assert_as_before(&what);
        } else {
            site.assert_only_the_known_is_left(&what);
        }
    }
    let mut table = format!("{rounds} starts, network {}, killed by phase and process:\n", site.network);
    for ((phase, target), count) in &histogram {
        writeln!(table, "{count:5} {:16} {target}", format!("{phase:?}")).unwrap();
    }
    show(&table);
}

/// Knuth's MMIX generator: good enough to pick moments.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }
}
