//! Foreground supervision: signals, status, reaping, descriptors, the pidfile, and what becomes of the one side when the
//! other is killed.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "supervision/checked.rs"]
mod checked;
#[path = "supervision/ends.rs"]
mod ends;

use ends::perl_args;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Running, Thinjail, send, thinjail, thinjail_through};
use thinjail_tests::process::Process;
use thinjail_tests::temp::TempDir;
use thinjail_tests::terminal::Terminal;
use thinjail_tests::{binary, need, skip, wait};

/// Perl is part of every Debian, and calls what the system has without any file beside it.
const PERL: &str = "/usr/bin/perl";

fn perl(flags: &[&str], script: &str) -> Thinjail {
    thinjail(["run"]).args(flags).args(["--", PERL, "-e", script])
}

/// Tells of each signal by name and how many of them have come; ends with 7 on the first that is named in `$ENV{LAST}`.
const COUNTER: &str = r#"
    $| = 1;
    for my $name (qw(HUP INT QUIT USR1 USR2 WINCH TERM)) {
        $SIG{$name} = sub { $count{$name}++; print "$name $count{$name}\n"; $last = 1 if $name eq $ENV{LAST} };
    }
    print "ready\n";
    # Not longer: Perl runs a handler at its next safe point, and a signal may come right before select(2) begins.
    select undef, undef, undef, 0.05 until $last;
    exit 7;
"#;

/// A program that goes on until it is killed, and ignores TERM.
const STUBBORN: &str = r#"$| = 1; $SIG{TERM} = "IGNORE"; print "ready\n"; sleep 60 while 1"#;

#[test]
fn each_signal_is_forwarded_exactly_once() {
    let _alone = alone();
    need!(skip::namespaces());
    let mut running = perl(&["--env", "LAST=TERM"], COUNTER).spawn();
    running.wait_for_stdout("ready\n");
    let signals = [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("WINCH", Signal::WINCH),
    ];
    for round in 1..=10 {
        for (name, signal) in signals {
            running.signal(signal);
            running.wait_for_stdout(&format!("{name} {round}\n"));
        }
    }
    running.signal(Signal::TERM);
    let finished = running.finish();
    finished.expect_code(7);
    for (name, _) in signals {
        assert!(!finished.stdout.contains(&format!("{name} 11\n")), "{}", finished.stdout);
    }
    assert_eq!(finished.stdout.matches("TERM ").count(), 1, "{}", finished.stdout);
}

#[test]
fn ctrl_c_of_a_real_terminal_reaches_the_program_once() {
    let _alone = alone();
    need!(skip::namespaces());
    for flags in [&["--env", "LAST=TERM"][..], &["--env", "LAST=TERM", "--tty"]] {
        let mut terminal = Terminal::new(perl_args(flags, COUNTER));
        terminal.wait_for("ready");
        for round in 1..=10 {
            // ETX; the line discipline makes SIGINT of it, for every process of the foreground group.
            terminal.type_in(b"\x03");
            terminal.wait_for(&format!("INT {round}\r\n"));
        }
        send(terminal.pid(), Signal::TERM);
        assert_eq!(terminal.finish(), Some(7), "{flags:?}");
        assert!(!terminal.said().contains("INT 11"), "{flags:?}: {}", terminal.said());
    }
}

#[test]
fn a_resized_window_reaches_a_program_that_has_the_terminal_and_no_daemon() {
    let _alone = alone();
    need!(skip::namespaces());
    let mut terminal = Terminal::new(perl_args(&["--env", "LAST=TERM", "--tty"], COUNTER));
    terminal.wait_for("ready");
    terminal.resize(91);
    terminal.wait_for("WINCH 1\r\n");
    send(terminal.pid(), Signal::TERM);
    assert_eq!(terminal.finish(), Some(7));

    let mut terminal = Terminal::new(perl_args(&["--env", "LAST=TERM"], COUNTER));
    terminal.wait_for("ready");
    terminal.resize(91);
    // The supervisor takes signals by their number, so a WINCH that was to come would come before this.
    send(terminal.pid(), Signal::TERM);
    assert_eq!(terminal.finish(), Some(7));
    assert!(!terminal.said().contains("WINCH"), "{}", terminal.said());
}

#[test]
fn a_daemon_has_a_session_of_its_own_and_a_program_with_tty_keeps_the_caller_s() {
    let _alone = alone();
    need!(skip::namespaces());
    // The first number behind the name in stat(5) of /proc is the state, the fourth the session.
    let script = r#"open S, "/proc/self/stat"; $_ = <S>; s/.*\) //; print "pid=$$ session=", (split)[3], "\n""#;
    let mut terminal = Terminal::new(perl_args(&[], script));
    assert_eq!(terminal.finish(), Some(0), "{}", terminal.said());
    assert!(terminal.said().contains("pid=2 session=2"), "{}", terminal.said());
    // The caller's session has no number inside.
    let mut terminal = Terminal::new(perl_args(&["--tty"], script));
    assert_eq!(terminal.finish(), Some(0), "{}", terminal.said());
    assert!(terminal.said().contains("pid=2 session=0"), "{}", terminal.said());
}

#[test]
fn term_becomes_the_stop_signal() {
    let _alone = alone();
    need!(skip::namespaces());
    let mut running = perl(&["--stop-signal", "QUIT", "--env", "LAST=QUIT"], COUNTER).spawn();
    running.wait_for_stdout("ready\n");
    let finished = running.stop();
    finished.expect_code(7);
    assert!(finished.stdout.contains("QUIT 1") && !finished.stdout.contains("TERM"), "{}", finished.stdout);
}

#[test]
fn a_start_that_hangs_ends_by_term() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::program("strace"));
    // As if somebody who is that user on the host had stopped the main process before it is the program.
    let through = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=setresuid:delay_exit=5000000"];
    let args = ["run", "--user=65534", "--", PERL, "-e", "print 'ran'"];
    let mut running = thinjail_through(through, args).spawn();
    let supervisor = running.wait_until("the main process has its user", |running| {
        let inside = running.inside();
        inside.iter().find(|process| process.uid() == Some(65_534))?;
        inside.into_iter().find(|process| process.parent == running.pid())
    });
    send(supervisor.pid, Signal::TERM);
    let finished = running.finish();
    finished.expect_code(125).expect_stderr(&["told to stop before it had started"]);
    assert_eq!(finished.stdout, "");
}

#[test]
fn what_ignores_the_stop_signal_is_killed_after_the_timeout_and_not_before() {
    let _alone = alone();
    need!(skip::namespaces());
    let mut running = perl(&["--stop-timeout", "1s"], STUBBORN).spawn();
    running.wait_for_stdout("ready\n");
    let asked = Instant::now();
    running.signal(Signal::TERM);
    let finished = running.finish();
    assert!(asked.elapsed() >= Duration::from_secs(1), "killed after {:?}", asked.elapsed());
    finished.expect_code(137).expect_stderr(&["exited on signal 9"]);
}

#[test]
fn the_exit_status_is_the_program_s() {
    let _alone = alone();
    need!(skip::namespaces());
    for status in [0, 1, 3, 125, 255] {
        let finished = perl(&[], &format!("exit {status}")).run();
        finished.expect_code(status);
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("", ""));
    }
}

#[test]
fn death_by_a_signal_is_said_as_jail_says_it() {
    let _alone = alone();
    need!(skip::namespaces());
    for (name, number) in [("KILL", 9), ("SEGV", 11), ("TERM", 15), ("USR1", 10)] {
        let finished = perl(&["--limits", "coredumpsize=0"], &format!("kill '{name}', $$; sleep 60")).run();
        finished.expect_code(128 + number).expect_stderr(&[&format!("{PERL}: exited on signal {number}")]);
    }
}

#[test]
fn orphans_are_reaped() {
    let _alone = alone();
    need!(skip::namespaces());
    let script = r#"
        $| = 1;
        for (1 .. 40) { if (!fork) { fork and exit; select undef, undef, undef, 0.01; exit } }
        1 while wait != -1;
        print "left alone\n";
        sleep 60;
    "#;
    let mut running = perl(&[], script).spawn();
    running.wait_for_stdout("left alone\n");
    let init = running.inside()[0].pid;
    let children = || Process::all().into_iter().filter(|process| process.parent == init).collect::<Vec<_>>();
    wait::until_true(
        "only the main process is left, and no zombie",
        || matches!(&children()[..], [main] if main.state != 'Z'),
    );
    running.stop().expect_code(143);
}

#[test]
fn with_wait_main_what_is_left_is_killed() {
    let _alone = alone();
    need!(skip::namespaces());
    let before = Snapshot::take(&[]);
    let script = r#"$SIG{TERM} = $SIG{HUP} = "IGNORE"; if (!fork) { close STDOUT; sleep 60 while 1 } exit 5"#;
    let asked = Instant::now();
    perl(&[], script).run().expect_code(5);
    assert!(asked.elapsed() < Duration::from_secs(30), "it waited for the child");
    before.assert_same_now(&[]);
}

#[test]
fn what_goes_into_the_background_is_told() {
    let _alone = alone();
    need!(skip::namespaces());
    let told =
        "has ended, and the processes that it left were killed\n  help: tell the program to stay in the foreground";
    let said = |flags: &[&str], script: &str, code| {
        let finished = perl(flags, script).run();
        finished.expect_code(code);
        finished.stderr.contains(told)
    };
    assert!(said(&[], "if (!fork) { sleep 60 while 1 } exit 0", 0));
    assert!(!said(&[], "if (!fork) { exit 0 } sleep 1; exit 0", 0), "a zombie is no daemon");
    assert!(!said(&[], "if (!fork) { sleep 60 while 1 } exit 5", 5), "it has failed, and said so itself");
    assert!(!said(&["--wait", "all"], "if (!fork) { select undef, undef, undef, 0.2; exit 0 } exit 0", 0));
}

#[test]
fn with_wait_all_the_last_process_ends_the_jail() {
    let _alone = alone();
    need!(skip::namespaces());
    let script = r#"
        $| = 1;
        if (!fork) { $SIG{USR1} = sub { print "the last one ends\n"; exit 9 }; print "ready\n"; sleep 60 while 1 }
        exit 5;
    "#;
    let mut running = perl(&["--wait", "all"], script).spawn();
    running.wait_for_stdout("ready\n");
    // The main process may be there for a moment still, and take what is meant for the child.
    wait::until_true("only init and the child are left", || running.inside().len() == 2);
    wait::until_true("the supervisor has heard of it", || {
        running.signal(Signal::USR1);
        running.stdout().contains("the last one ends")
    });
    running.finish().expect_code(5);
}

#[test]
fn with_wait_all_a_stop_reaches_those_who_are_left() {
    let _alone = alone();
    need!(skip::namespaces());
    let script = format!("fork and exit 5; {COUNTER}");
    let mut running = perl(&["--wait", "all", "--env", "LAST=TERM"], &script).spawn();
    running.wait_for_stdout("ready\n");
    wait::until_true("only init and the child are left", || running.inside().len() == 2);
    running.stop().expect_code(5);

    let mut running = perl(&["--wait", "all", "--stop-timeout", "1s"], &format!("fork and exit 6; {STUBBORN}")).spawn();
    running.wait_for_stdout("ready\n");
    wait::until_true("only init and the child are left", || running.inside().len() == 2);
    let asked = Instant::now();
    running.stop().expect_code(6);
    assert!(asked.elapsed() >= Duration::from_secs(1), "killed after {:?}", asked.elapsed());
}

#[test]
fn with_the_proc_of_another_pid_namespace_no_stranger_is_asked_to_stop() {
    let _alone = alone();
    need!(skip::namespaces());
    // Whoever is in this pid namespace has the pid of somebody in the host's, whose /proc is still there.
    let script = r#"
        for number in 1 2 3 4 5 6; do sleep 60 & strangers="$strangers $!"; done
        dir=$(mktemp -d); mkfifo "$dir/line"
        "$@" >"$dir/line" & jail=$!
        read ready <"$dir/line"; rm -r "$dir"
        kill -TERM $jail; wait $jail; echo "jail $?"
        kill $strangers && echo "strangers live"
    "#;
    let through = ["unshare", "--pid", "--fork", "sh", "-c", script, "sh"];
    // Whoever is left tells that the main process has ended.
    let perl =
        "fork and exit 5; select undef, undef, undef, 0.01 while getppid != 1; $| = 1; print qq(left\n); sleep 60";
    let args = ["run", "--user=65534", "--wait=all", "--stop-timeout=1s", "--", PERL, "-e", perl];
    assert_eq!(thinjail_through(through, args).run().stdout, "jail 5\nstrangers live\n");
}

#[test]
fn only_the_named_descriptors_are_open() {
    let _alone = alone();
    need!(skip::namespaces());
    let dir = TempDir::new();
    dir.file("seven", "what is behind seven");
    let open = format!("exec 5<{0} 7<{0} 9<{0}; exec \"$@\"", dir.at("seven"));
    // The directory that is read is open as well while it is: it can't be read again afterwards.
    let script = r#"
        opendir D, "/proc/self/fd"; @open = grep { -e "/proc/self/fd/$_" and /\d/ } readdir D; closedir D;
        print join(" ", sort grep { -e "/proc/self/fd/$_" } @open), "\n";
        open F, "<&=7" and print <F>;
    "#;
    let through = ["sh", "-c", &open, "sh"];
    let finished = thinjail_through(through, ["run", "--descriptors", "7", "--", PERL, "-e", script]).run();
    finished.expect_code(0);
    assert_eq!(finished.stdout, "0 1 2 7\nwhat is behind seven");
    let finished = thinjail_through(through, ["run", "--", PERL, "-e", script]).run();
    assert_eq!(finished.expect_code(0).stdout, "0 1 2\n");
}

#[test]
fn a_descriptor_that_is_not_open_or_leads_out_is_refused() {
    let _alone = alone();
    need!(skip::namespaces());
    // Every number that could be one of our own, which nobody but us has opened.
    for number in 3..=9 {
        let flag = number.to_string();
        let through = ["sh", "-c", "exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; exec \"$@\"", "sh"];
        let finished = thinjail_through(through, ["run", "--descriptors", &flag, "--", PERL, "-e", ""]).run();
        let help = format!("{number}<FILE");
        finished.expect_code(125).expect_stderr(&[&format!("descriptor {number}"), "it is not open", &help]);
    }
    let through = ["sh", "-c", "exec 8</; exec \"$@\"", "sh"];
    let finished = thinjail_through(through, ["run", "--descriptors", "8", "--", PERL, "-e", ""]).run();
    finished.expect_code(125).expect_stderr(&["descriptor 8", "directory of the host"]);
    let through = ["sh", "-c", "exec \"$@\" </", "sh"];
    let finished = thinjail_through(through, ["run", "--", PERL, "-e", ""]).run();
    finished.expect_code(125).expect_stderr(&["descriptor 0", "directory of the host"]);
}

#[test]
fn big_data_goes_through_the_standard_streams_unchanged() {
    let _alone = alone();
    need!(skip::namespaces());
    let mut data = Vec::with_capacity(24 << 20);
    let mut state = 1u64;
    while data.len() < 24 << 20 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        data.extend_from_slice(&state.to_le_bytes());
    }
    let mut child = Command::new(binary::thinjail())
        .args(["run", "--", "/bin/cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut back = Vec::with_capacity(data.len());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            stdin.write_all(&data).unwrap();
            drop(stdin);
        });
        stdout.read_to_end(&mut back).unwrap();
    });
    assert!(child.wait().unwrap().success());
    assert!(back == data, "{} bytes went in, {} came back", data.len(), back.len());
}

#[test]
fn what_the_caller_ignores_or_blocks_is_default_inside() {
    let _alone = alone();
    need!(skip::namespaces());
    // Perl itself ignores SIGFPE.
    let script =
        "while read name value; do case $name in Sig[BI]*) echo $name $value; esac; done </proc/self/status; exit 3";
    let ignoring = "trap '' HUP INT QUIT TERM PIPE USR1 TSTP CHLD; exec \"$@\"";
    let blocking = ["env", "--block-signal"];
    let none = "SigBlk: 0000000000000000\nSigIgn: 0000000000000000\n";
    for through in [&["sh", "-c", ignoring, "sh"][..], &blocking, &["nohup"]] {
        for _ in 0..5 {
            let finished = thinjail_through(through, ["run", "--", "/bin/sh", "-c", script]).run();
            // The status too: with SIGCHLD ignored the kernel reaps children, and their status is gone.
            finished.expect_code(3);
            assert_eq!(finished.stdout, none, "{through:?}");
        }
    }
    // SIGPIPE ends a writer, as everywhere.
    let finished = perl(&[], "pipe R, W; close R; syswrite W, 1; exit 4").run();
    finished.expect_code(141).expect_stderr(&["exited on signal 13"]);
}

#[test]
fn nothing_of_the_caller_s_environment_is_inside() {
    let _alone = alone();
    need!(skip::namespaces());
    let script = r#"print map { "$_=$ENV{$_}\n" } sort keys %ENV"#;
    let flags = ["--env", "A=b=c", "--env", "EMPTY="];
    let mut jail = perl(&flags, script);
    jail.command().env("SECRET", "of the caller").env("LD_PRELOAD_X", "x");
    let inside = jail.run();
    let plan = thinjail(["plan", "--json"]).args(flags).args(["--", PERL, "-e", script]).plan();
    let planned: String = plan.exec.env.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    assert_eq!(inside.expect_code(0).stdout, planned);
    assert!(planned.contains("A=b=c\n") && planned.contains("EMPTY=\n") && !planned.contains("SECRET"), "{planned}");
}

#[test]
fn umask_directory_limits_and_host_name_are_as_written() {
    let _alone = alone();
    need!(skip::namespaces());
    let dir = TempDir::new();
    let script = r#"
        printf "%03o\n", umask;
        print readlink("/proc/self/cwd"), "\n";
        open L, "/proc/self/limits"; while (<L>) { print "$1 $2 $3\n" if /^Max (open files|core file size) +(\S+) +(\S+)/ }
        system "/usr/bin/uname", "-n";
    "#;
    let place = dir.at("");
    let place = place.trim_end_matches('/');
    let mut written = perl(
        &[
            "--umask",
            "077",
            "--read",
            place,
            "--chdir",
            place,
            "--limits",
            "openfiles=77,coredumpsize=0",
            "--hostname",
            "jailed.example",
            "--programs",
            "uname",
        ],
        script,
    );
    // The supervisor's own are not the jail's.
    written.command().current_dir("/tmp");
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let said = format!("077\n{place}\ncore file size 0 0\nopen files 77 77\njailed.example\n");
    let finished = written.run();
    let mut lines: Vec<&str> = finished.expect_code(0).stdout.lines().collect();
    lines[2..4].sort_unstable();
    assert_eq!(lines.join("\n") + "\n", said);
    assert_eq!(rustix::system::uname().nodename().to_string_lossy(), host, "the host's name is its own");

    let plain = perl(&["--programs", "uname"], script).run();
    let lines: Vec<&str> = plain.expect_code(0).stdout.lines().collect();
    assert_eq!((lines[0], lines[1], lines[4]), ("022", "/", host.as_str()));
}

/// A jail that runs until it is stopped, with a pidfile.
fn with_pidfile(path: &str) -> Running {
    let mut running = perl(&["--pidfile", path, "--env", "LAST=TERM"], COUNTER).spawn();
    running.wait_for_stdout("ready\n");
    running.wait_until("the pidfile is written", |_| (fs::metadata(path).ok()?.len() > 0).then_some(()));
    running
}

#[test]
fn the_pidfile_holds_the_host_s_pid_and_goes_with_the_jail() {
    let _alone = alone();
    need!(skip::namespaces());
    let dir = TempDir::new();
    let path = dir.at("x.pid");
    let running = with_pidfile(&path);
    let main = running.executing(PERL);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", main[0].pid));
    // A stranger sees by the lock that it lives, as pidfile(3) has it.
    let file = File::open(&path).unwrap();
    assert!(rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared).is_err(), "it is not locked");
    running.stop().expect_code(7);
    assert!(!Path::new(&path).exists());
}

#[test]
fn a_second_start_with_the_same_pidfile_is_refused_while_the_first_lives() {
    let _alone = alone();
    need!(skip::namespaces());
    let dir = TempDir::new();
    let path = dir.at("x.pid");
    let first = with_pidfile(&path);
    let before = Snapshot::take(&[dir.path()]);
    let pid = fs::read_to_string(&path).unwrap();
    let second = perl(&["--pidfile", &path], "print 'it runs'").run();
    second.expect_code(125).expect_stderr(&["already running", pid.trim(), "help: "]);
    assert_eq!(second.stdout, "");
    before.assert_same_now(&[dir.path()]);
    assert_eq!(fs::read_to_string(&path).unwrap(), pid);
    first.stop().expect_code(7);
    perl(&["--pidfile", &path], "print 'it runs'").run().expect_code(0);
}

#[test]
fn of_many_starts_at_once_with_one_pidfile_never_two_run() {
    let _alone = alone();
    need!(skip::namespaces());
    let dir = TempDir::new();
    let (path, data) = (dir.at("x.pid"), dir.dir("data"));
    rustix::fs::chown(&data, Some(rustix::fs::Uid::from_raw(65534)), Some(rustix::fs::Gid::from_raw(65534))).unwrap();
    let data = data.display().to_string();
    // Whoever runs makes a directory, stays for a moment and takes it away; a second one finds it there.
    let script = format!("mkdir '{data}/running' or exit 66; select undef, undef, undef, 0.05; rmdir '{data}/running'");
    let mut ran = 0;
    for _ in 0..4 {
        let starts: Vec<Running> =
            (0..4).map(|_| perl(&["--pidfile", &path, "--write", &data, "--user", "65534"], &script).spawn()).collect();
        for start in starts {
            let finished = start.finish();
            match finished.code() {
                Some(0) => ran += 1,
                _ => drop(finished.expect_code(125).expect_stderr(&["pidfile"])),
            }
        }
    }
    assert!(ran > 0, "none of them ran");
    assert!(!Path::new(&path).exists());
}

#[test]
fn a_stale_pidfile_is_replaced() {
    let _alone = alone();
    need!(skip::namespaces());
    let dir = TempDir::new();
    let path = dir.at("x.pid");
    // Of a process that lives: only the lock counts.
    fs::write(&path, "1\n").unwrap();
    let running = with_pidfile(&path);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", running.executing(PERL)[0].pid));
    // Its supervisor is killed and can't remove it.
    running.signal(Signal::KILL);
    running.finish();
    assert!(Path::new(&path).exists());
    let running = with_pidfile(&path);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", running.executing(PERL)[0].pid));
    running.stop().expect_code(7);
    assert!(!Path::new(&path).exists());
}

#[test]
fn a_link_that_stands_at_the_pidfile_s_path_is_not_followed() {
    let _alone = alone();
    need!(skip::namespaces());
    let dir = TempDir::new();
    dir.file("secret", "untouched");
    symlink(dir.at("secret"), dir.at("x.pid")).unwrap();
    symlink(dir.at("not-there"), dir.at("y.pid")).unwrap();
    for name in ["x.pid", "y.pid"] {
        let finished = perl(&["--pidfile", &dir.at(name)], "print 'it runs'").run();
        finished.expect_code(125).expect_stderr(&["pidfile", "help: "]);
        assert_eq!(finished.stdout, "");
    }
    assert_eq!(fs::read_to_string(dir.at("secret")).unwrap(), "untouched");
    assert!(!Path::new(&dir.at("not-there")).exists());
}

/// Init, main and a child of main that has left its session: all of them ignore what can be ignored. Their supervisor knows that
/// the program runs: on a busy machine that may do much before it is known.
fn family(flags: &[&str]) -> (Running, Vec<Process>) {
    let script = r#"
        $| = 1;
        $SIG{$_} = "IGNORE" for qw(HUP INT QUIT TERM USR1 USR2);
        $SIG{WINCH} = sub { print "handed on\n" };
        fork or syscall($ENV{SETSID});
        print "ready\n"; select undef, undef, undef, 0.05 while 1;
    "#;
    let setsid = if cfg!(target_arch = "aarch64") { "SETSID=157" } else { "SETSID=112" };
    let mut running = perl(&[flags, &["--env", setsid]].concat(), script).spawn();
    running.wait_until("both are ready", |running| (running.stdout().matches("ready").count() == 2).then_some(()));
    running.signal(Signal::WINCH);
    running.wait_for_stdout("handed on");
    let inside = running.inside();
    assert_eq!(inside.len(), 3, "{inside:?}");
    (running, inside)
}

fn all_gone(processes: &[Process]) {
    wait::until_true("every process of the jail is gone", || !processes.iter().any(Process::runs));
}
