//! How it begins and ends: nothing of thinjail is left between the daemon and whoever started it.

use std::path::Path;

use rustix::process::Signal;
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{send, thinjail};
use thinjail_tests::process::Process;
use thinjail_tests::terminal::Terminal;
use thinjail_tests::wait::until_true;
use thinjail_tests::{need, skip};

use crate::{PERL, for_others, for_root};

const RUN: [&str; 2] = ["run", "--no-supervisor"];

#[test]
fn whoever_starts_it_sees_the_daemon_itself_under_the_same_pid() {
    let _alone = alone();
    need!(for_root());
    let before = Snapshot::take(&[]);
    let script = r#"$| = 1; $SIG{TERM} = sub { print "told\n"; exit 7 }; $SIG{HUP} = sub { print "hup\n" };
        print "pid $$ session ", getpgrp, " ready\n"; sleep 1 while 1"#;
    for user in ["root", "65534"] {
        let mut jail = thinjail(RUN).args(["--user", user, "--", PERL, "-e", script]).spawn();
        let pid = jail.pid();
        jail.wait_for_stdout(&format!("pid {pid} session {pid} ready\n"));
        let process = Process::of(pid).unwrap();
        assert_eq!(process.exe().as_deref(), Some(Path::new(PERL)));
        assert_eq!(Process::below(pid), [], "no supervisor is beside it");
        assert_eq!(process.field("Seccomp").as_deref(), Some("2"));
        assert_eq!(process.field("NoNewPrivs").as_deref(), Some("1"));
        assert_eq!(process.field("CapEff").as_deref(), Some("0000000000000000"));
        let own = Process::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        for (kind, shared) in [("pid", true), ("net", true), ("mnt", false), ("ipc", false), ("uts", false)] {
            assert_eq!(process.namespace(kind) == own.namespace(kind), shared, "{kind}");
        }
        jail.signal(Signal::HUP);
        jail.wait_for_stdout("hup\n");
        assert_eq!(jail.stop().expect_code(7).stderr, "");

        // A signal that ends it is seen as such, not as 128 and its number.
        let mut jail = thinjail(RUN).args(["--user", user, "--", PERL, "-e", script]).spawn();
        jail.wait_for_stdout("ready\n");
        jail.signal(Signal::KILL);
        assert_eq!(jail.finish().signal(), Some(9));
    }
    before.assert_same_now(&[]);
}

#[test]
fn nothing_of_whoever_starts_it_leaks_in() {
    let _alone = alone();
    need!(for_others());
    let script = r#"opendir D, '/proc/self/fd'; my @fds = grep { /^\d/ && -e "/proc/self/fd/$_" } readdir D;
        print "@fds[0..2] ", grep({ (readlink("/proc/self/fd/$_") // '') !~ m(^/proc/) } @fds[3..$#fds]), "\n";
        open F, '<', '/proc/self/status'; print grep { /^Sig(Blk|Ign)|^Groups|^Shd/ } <F>; print join(' ', sort keys %ENV), "\n", umask, "\n""#;
    let args = ["--user", "65534", "--umask", "027", "--", PERL, "-e", script];
    let told = thinjail(RUN).args(args).after("exec 7</etc/passwd; export SECRET=1; trap '' PIPE HUP; umask 0").run();
    let none = "0000000000000000";
    let expected = [
        "0 1 2 ".to_owned(),
        "Groups:\t ".to_owned(),
        "ShdPnd:\t".to_owned() + none,
        "SigBlk:\t".to_owned() + none,
        // Perl itself ignores SIGFPE.
        "SigIgn:\t0000000000000080".to_owned(),
        "HOME LOGNAME PATH SHELL USER".to_owned(),
        "23".to_owned(),
    ];
    assert_eq!(told.expect_code(0).stdout.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn what_it_has_started_goes_on_as_the_plan_says_and_nothing_else_is_left() {
    let _alone = alone();
    need!(for_others());
    let before = Snapshot::take(&[]);
    let script = r#"$| = 1; my $child = fork; if (!$child) { sleep 300 } print "left $child\n"; exit 3"#;
    let finished = thinjail(RUN).args(["--", PERL, "-e", script]).run();
    let left: i32 = finished.expect_code(3).stdout.trim().strip_prefix("left ").unwrap().parse().unwrap();
    let process = Process::of(left).expect("it is a pid of the host");
    assert!(process.runs());
    send(left, Signal::KILL);
    until_true("it has ended", || !process.runs());
    before.assert_same_now(&[]);
    let plan = thinjail(["plan", "--no-supervisor", "--", PERL]).run();
    assert!(plan.expect_code(0).stdout.contains("loss: what the program has started may go on after its end"));
}

#[test]
fn a_program_that_can_not_be_run_has_the_usual_exit_codes_and_leaves_nothing() {
    let _alone = alone();
    need!(for_others());
    let dir = thinjail_tests::temp::TempDir::new();
    let text = dir.program("text", "\x7fELF no program").display().to_string();
    let made = dir.at("made");
    let state = format!("{made}:create,write");
    let trees = [dir.path()];
    let before = Snapshot::take(&trees);
    thinjail(RUN).args(["--", "/no/such"]).run().expect_code(127);
    thinjail(RUN).args(["--", &text]).run().expect_code(126);
    thinjail(RUN).args(["--chdir", "/nowhere", "--", PERL]).run().expect_code(125);
    // Past the point where directories of the host are made.
    let refused = thinjail(RUN).args(["--mount", &state, "--descriptors", "9", "--", PERL, "-e", "1"]).run();
    refused.expect_code(125).expect_stderr(&["hand on the descriptor 9"]);
    before.assert_same_now(&trees);
    let timings = thinjail(RUN).args(["--timings", "--", PERL, "-e", "1"]).run();
    timings.expect_code(125).expect_stderr(&["nobody is left to tell the times", "leave one of them out"]);
}

#[test]
fn directories_that_a_supervisor_would_remove_stay_and_are_taken_again() {
    let _alone = alone();
    need!(for_others());
    let name = format!("thinjail-test-{}", std::process::id());
    let dir = Path::new("/run").join(&name);
    let script =
        format!(r#"open F, '>', '/run/{name}/file' or die $!; close F; unlink '/run/{name}/file'; print "made\n""#);
    let args = ["--run-dir", &name, "--", PERL, "-e", &script];
    for _ in 0..2 {
        assert_eq!(thinjail(RUN).args(args).run().expect_code(0).stdout, "made\n");
        assert!(dir.is_dir());
    }
    // One with a supervisor finds it there, and leaves what it has not made.
    assert_eq!(thinjail(["run"]).args(args).run().expect_code(0).stdout, "made\n");
    std::fs::remove_dir(&dir).unwrap();
}

#[test]
fn a_terminal_of_the_caller_s_is_refused_unless_it_is_asked_for() {
    let _alone = alone();
    need!(for_others());
    // setsid --ctty: thinjail leads a session that has a terminal.
    let mut terminal = Terminal::new([RUN[0], RUN[1], "--", "/bin/echo", "hello"]);
    assert_eq!(terminal.finish(), Some(125), "{}", terminal.said());
    let said = terminal.said();
    assert!(said.contains("thinjail leads a session that has a terminal") && said.contains("tty = true"), "{said}");
    let mut terminal = Terminal::new([RUN[0], RUN[1], "--tty", "--", "/bin/echo", "hello"]);
    assert_eq!((terminal.finish(), terminal.said().trim()), (Some(0), "hello"));
}

#[test]
fn a_jail_in_the_background_has_a_supervisor() {
    let _alone = alone();
    need!(skip::namespaces());
    let dir = thinjail_tests::temp::TempDir::new();
    let profiles = dir.profile("lonely", "command = \"/usr/bin/perl -e 1\"\nuser = \"nobody\"\nsupervisor = false\n");
    let refused = thinjail(["start", "lonely"]).profiles(&profiles).run();
    refused.expect_code(1).expect_stderr(&["a jail in the background has a supervisor", "take `supervisor` out"]);
    need!(for_others());
    thinjail(["run", "lonely"]).profiles(&profiles).run().expect_code(0);
}
