//! The program waits for the last look at what is inside, and is never run where that is against it.

use std::io::BufRead;
use std::path::PathBuf;
use std::process::Child;

use thinjail_tests::temp::chmod;

use super::*;

/// A jail that would leave a file behind, and the file.
struct Touching {
    dir: TempDir,
    plan: PathBuf,
}

impl Touching {
    fn new(flags: &[&str]) -> Self {
        let dir = TempDir::new();
        let write = dir.path().join("write");
        fs::create_dir(&write).unwrap();
        chmod(&write, 0o777);
        let (place, file) = (write.display().to_string(), write.join("ran").display().to_string());
        let words = [&["--write", &place], flags, &["--", "/usr/bin/touch", &file]].concat();
        let plan = thinjail(["plan", "--json"]).args(words).run();
        let path = dir.path().join("plan.json");
        fs::write(&path, &plan.expect_code(0).stdout).unwrap();
        Self { dir, plan: path }
    }

    /// With the times that it takes to look, and before it has a plan.
    fn start(&self, look: u32, early: Option<u32>) -> Child {
        let mut refuser = Command::new(binary::thinjail().with_file_name("refuser"));
        refuser.arg(&self.plan).arg(look.to_string()).args(early.map(|early| early.to_string()));
        refuser.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
    }

    fn ran(&self) -> bool {
        self.dir.path().join("write/ran").exists()
    }
}

/// With the default filter, and with those that refuse more, which are set later.
const FILTERS: [&[&str]; 2] = [&[], &["--deny-syscalls", "getpgid"]];

#[test]
fn what_is_not_what_was_meant_is_never_run() {
    let _alone = alone();
    need!(skip::namespaces());
    for flags in FILTERS.into_iter().chain([&["--before-start", "/bin/true"][..]]) {
        let jail = Touching::new(flags);
        let before = Snapshot::take(&[jail.dir.path()]);
        for (early, says) in [(None, ""), (Some(0), "early\n"), (Some(20), "early\n")] {
            let output = jail.start(50, early).wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(said, format!("{says}looks\nended: look at what is inside\n"), "{flags:?}, {early:?}");
            before.assert_same_now(&[jail.dir.path()]);
            assert!(!jail.ran());
        }
    }
}

#[test]
fn whoever_is_killed_while_it_looks_has_run_nothing() {
    let _alone = alone();
    need!(skip::namespaces());
    // While it looks, or before it has a plan.
    let starts = [
        (FILTERS[0], None, "looks\n"),
        (FILTERS[1], None, "looks\n"),
        (FILTERS[0], Some(0), "looks\n"),
        (FILTERS[1], Some(300), "early\n"),
    ];
    for (flags, early, when) in starts {
        // The supervisor, pid 1, and the one that waits to become the program.
        for victim in 0..3 {
            let jail = Touching::new(flags);
            let before = Snapshot::take(&[jail.dir.path()]);
            let mut refuser = jail.start(300, early);
            let mut line = String::new();
            let mut said = std::io::BufReader::new(refuser.stdout.take().unwrap());
            while line != when {
                line.clear();
                assert_ne!(said.read_line(&mut line).unwrap(), 0, "it has ended");
            }
            let supervisor = i32::try_from(refuser.id()).unwrap();
            let child = |of| Process::all().into_iter().find(|process| process.parent == of).map(|process| process.pid);
            let mut family = vec![supervisor];
            wait::until_true("the program is forked, and waits", || {
                family.truncate(1);
                family.extend(child(supervisor));
                family.extend(family.get(1).and_then(|init| child(*init)));
                family.len() == 3
            });
            send(family[victim], Signal::KILL);
            refuser.wait().unwrap();
            wait::until_true("nobody is left", || {
                !Process::all().iter().any(|process| family.contains(&process.pid) && process.state != 'Z')
            });
            before.assert_same_now(&[jail.dir.path()]);
            assert!(!jail.ran(), "{flags:?}, {victim}, {early:?}");
        }
    }
}

#[test]
fn what_was_begun_early_and_fits_no_plan_ends_with_the_plan() {
    let _alone = alone();
    need!(skip::namespaces());
    // Its own network, another /proc, a descriptor of its own, and a plan that it fits.
    let tree = [&["--network", "none"][..], &["--proc", "full"], &["--isolation", "landlock"], &[]];
    for flags in tree {
        let mut running = perl(flags, STUBBORN).spawn();
        running.wait_for_stdout("ready\n");
        let of =
            |parent: i32| Process::all().into_iter().filter(|process| process.parent == parent).collect::<Vec<_>>();
        let children = of(running.pid());
        assert_eq!(children.len(), 1, "{flags:?}: {children:?}");
        assert_eq!(of(children[0].pid).len(), 1, "{flags:?}");
        // And pid 1 keeps nothing, whichever it is; what is its like without a pid namespace has to kill.
        wait::until_true("pid 1 has no capability", || {
            if flags.contains(&"landlock") {
                return true;
            }
            let status = fs::read_to_string(format!("/proc/{}/status", children[0].pid)).unwrap();
            let sets = status.lines().filter(|line| line.starts_with("Cap")).collect::<Vec<_>>();
            sets.len() == 5 && sets.iter().all(|set| set.ends_with("\t0000000000000000"))
        });
        running.signal(Signal::KILL);
        running.finish();
    }
    // And where there is no plan, or no jail is to be.
    for words in [&["run", "--", "/no/such/program"][..], &["run", "--help"], &["run", "--no-such-flag"]] {
        let before = Snapshot::take(&[]);
        thinjail(words.iter().copied()).run();
        before.assert_same_now(&[]);
    }
}

#[test]
fn a_filter_may_refuse_what_the_word_is_waited_for_with() {
    let _alone = alone();
    need!(skip::namespaces());
    let refused = "recvfrom,recvmsg,recvmmsg,poll,ppoll,sendto,sendmsg";
    thinjail(["run", "--deny-syscalls", refused, "--", "/bin/true"]).run().expect_code(0);
}

#[test]
fn the_time_from_fork_to_exec_holds_the_last_look() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::program("strace"));
    // Each time that the supervisor gives way it comes back late, the last time with the look still to come.
    let dir = TempDir::new();
    let (log, late) = (dir.at("trace"), "inject=sched_yield:delay_exit=20000");
    let through = ["strace", "-qq", "-o", &log, "-e", "trace=sched_yield", "-e", late];
    let finished = thinjail_through(through, ["run", "--timings", "--", "/bin/true"]).run();
    let told = finished.expect_code(0).stderr.clone();
    let time = |phase: &str| -> f64 {
        let line = told.lines().find_map(|line| line.split_once(" ms  ").filter(|(_, name)| *name == phase));
        line.unwrap().0.trim().parse().unwrap()
    };
    assert!(time("verify") >= 20.0, "{told}");
    assert!(time("from fork to exec") >= time("tree") + time("verify"), "{told}");
}

#[test]
fn more_than_a_socket_holds_is_handed_over() {
    let _alone = alone();
    need!(skip::namespaces());
    // What the program is told, and where the kernel attaches nothing to a tree that is not attached, its mounts.
    let dir = TempDir::new();
    let files: Vec<String> =
        (0..400).map(|number| dir.file(&format!("file-{number}"), "").display().to_string()).collect();
    let reads = files.iter().flat_map(|file| ["--read", file]);
    let long = "x".repeat(100_000);
    let script = "print scalar(@ARGV), q( ), length(join q(), @ARGV)";
    let words = ["--", PERL, "-e", script].into_iter().chain(std::iter::repeat_n(long.as_str(), 15));
    let finished = thinjail(["run"]).args(reads).args(words).run();
    assert_eq!(finished.expect_code(0).stdout, "15 1500000");
}

#[test]
fn a_signal_to_all_of_its_group_while_it_starts_is_the_program_s() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::program("strace"));
    // The directory takes its time to be made, and before there is a tree the one that is to be the program waits.
    let dir = TempDir::new();
    let (trace, late) = (dir.at("trace"), "inject=mkdirat:delay_enter=1000000:when=1");
    let through = ["strace", "-qq", "-o", &trace, "-e", "trace=mkdirat", "-e", late];
    let run_dir = format!("thinjail-group-{}", std::process::id());
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let words = ["run", "--run-dir", &run_dir, "--", PERL, "-e", ONE];
        let running = thinjail_through(through, words).spawn();
        let strace = running.pid();
        let has = |process: &Process, mask| {
            let mask = process.field(mask).and_then(|mask| u64::from_str_radix(&mask, 16).ok());
            mask.is_some_and(|mask| mask & 1 << (Signal::TERM.as_raw() - 1) != 0)
        };
        let below = wait::until("the supervisor takes signals as data, and the last one waits", || {
            let mut below = Process::below(strace);
            below.sort_by_key(|process| process.pid);
            let waits = below.len() == 3 && has(&below[0], "SigBlk") && has(&below[2], "SigIgn");
            waits.then_some(below)
        });
        below.iter().for_each(|process| send(process.pid, signal));
        let finished = running.finish();
        let code = finished.code().unwrap();
        // It may come before the program has said what it does about it.
        assert!([55, 128 + signal.as_raw()].contains(&code), "{code}: {}", finished.stderr);
    }
}

/// Ends with 55 on the first signal.
const ONE: &str = r#"$SIG{$_} = sub { exit 55 } for qw(HUP INT TERM); sleep 60 while 1"#;
