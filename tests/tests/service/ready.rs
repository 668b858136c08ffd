//! `type`: when a daemon is ready, who is its main process, and who is told.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use thinjail_tests::host::alone;
use thinjail_tests::process::Process;
use thinjail_tests::{need, skip, wait};

use crate::jail::{BUSYBOX, Jail};

const PERL: &str = "/usr/bin/perl";

/// A profile whose command is this Perl.
fn perl(script: &str, keys: &str) -> String {
    format!("command = [{PERL:?}, \"-e\", {script:?}]\nruntime = \"perl\"\n{keys}")
}

/// Says a message to the socket that it is told of.
const SAY: &str = "use IO::Socket::UNIX; sub say_it { my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $ENV{NOTIFY_SOCKET}) or die $!; $s->send($_[0]) }";

/// Goes into the background as daemons do: the parent ends once the child has written its pid.
const FORK: &str = "sub background { my $pid = fork; if ($pid) { exit 0 if $_[0]; waitpid $pid, 0; exit 0 } setpgrp; \
                    my $again = fork; if ($again) { open my $f, '>', $_[1]; print $f qq($again\\n); close $f; exit 0 } }";

#[test]
fn with_type_notify_start_comes_back_when_the_daemon_says_that_it_is_ready() {
    need!(skip::namespaces());
    let _alone = alone();
    let script = format!(
        "{SAY} say_it(qq(STATUS=reading)); sleep 1; say_it(qq(READY=1\\nSTATUS=Serving \\e[1m2 clients)); sleep 1000"
    );
    let jail = Jail::new("notify", &perl(&script, "type = \"notify\"\n"));
    let before = jail.snapshot();
    let begin = Instant::now();
    jail.ask("start").expect_code(0);
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(jail.status()["stage"], "running");
    let status = || jail.status()["status"] == "Serving [1m2 clients";
    wait::until_true("its own words are shown", status);
    assert!(jail.ask("status").stdout.contains("Serving [1m2 clients"));
    jail.ask("stop").expect_code(0);
    jail.assert_as(&before);
}

#[test]
fn what_is_not_ready_within_the_start_timeout_is_killed_and_start_says_so() {
    need!(skip::namespaces());
    let _alone = alone();
    for keys in ["type = \"notify\"\n", "type = \"notify\"\nready-descriptor = 9\n", "type = \"forking\"\n"] {
        let jail =
            Jail::new("late", &perl("sleep 1000", &format!("{keys}start-timeout = \"300ms\"\nrestart = \"always\"\n")));
        let before = jail.snapshot();
        let failed = jail.ask("start");
        failed.expect_code(1).expect_stderr(&["it was not ready within 300 ms", "help: "]);
        jail.ask("status").expect_code(3);
        jail.assert_as(&before);
    }
    let jail = Jail::new("early", &perl("exit 7", "type = \"notify\"\n"));
    jail.ask("start").expect_code(1).expect_stderr(&["it exited with 7 before it was ready"]);
}

#[test]
fn a_newline_to_the_ready_descriptor_is_ready_and_no_other_descriptor_is_lost() {
    need!(skip::namespaces());
    let _alone = alone();
    for descriptor in [3, 9, 30] {
        let script = format!(
            "open my $f, '>&=', {descriptor} or die; select undef, undef, undef, 0.4; syswrite $f, qq(x\\n); close $f; \
             print join ' ', sort grep {{ -e qq(/proc/self/fd/$_) }} 0..40; $| = 1; print qq(\\n); sleep 1000"
        );
        let jail = Jail::new(
            "s6",
            &perl(&script, &format!("type = \"notify\"\nready-descriptor = {descriptor}\nlog = \"DATA/log\"\n")),
        );
        let begin = Instant::now();
        jail.ask("start").expect_code(0);
        assert!(begin.elapsed() >= Duration::from_millis(400), "{:?}", begin.elapsed());
        wait::until_true("it lists its descriptors", || fs::read_to_string(jail.data("log")).unwrap().ends_with('\n'));
        assert_eq!(fs::read_to_string(jail.data("log")).unwrap(), "0 1 2\n");
    }
}

#[test]
fn who_started_thinjail_run_is_told_in_the_host_s_words() {
    need!(skip::namespaces());
    let _alone = alone();
    let notify = format!(
        "{SAY} $SIG{{HUP}} = sub {{ say_it(qq(RELOADING=1)); say_it(qq(READY=1)) }}; \
         say_it(qq(READY=1\\nMAINPID=$$\\nSTATUS=up)); sleep 1 while 1"
    );
    for (what, profile, own) in [
        ("simple", perl("sleep 1000", ""), false),
        ("notified", perl(&notify, "type = \"notify\"\nrun-dir = \"NAME\"\n"), true),
    ] {
        let jail = Jail::new(what, &profile);
        let path = jail.temp.path().join("caller");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut run = jail.thinjail(&["run", &jail.name]);
        run.command().env("NOTIFY_SOCKET", &path);
        let running = run.spawn();
        let until = |wanted: &str| {
            let mut all = String::new();
            while !all.lines().any(|line| line == wanted) {
                let mut bytes = [0; 4096];
                let count = socket.recv(&mut bytes).unwrap_or_else(|error| panic!("{error}: no {wanted} in {all}"));
                all += &format!("{}\n", String::from_utf8_lossy(&bytes[..count]));
            }
            all
        };
        let said = until("READY=1");
        assert!(!said.contains("MAINPID"), "{said}");
        if own {
            assert!(said.contains("STATUS=up"), "{said}");
            running.signal(Signal::HUP);
            let said = until("READY=1");
            assert!(said.contains("RELOADING=1\nMONOTONIC_USEC="), "{said}");
        }
        running.signal(Signal::TERM);
        until("STOPPING=1");
        running.finish();
    }
}

#[test]
fn with_type_forking_the_daemon_pidfile_names_the_main_process() {
    need!(skip::namespaces());
    let _alone = alone();
    let script = format!("{FORK} background(0, 'DATA/own.pid'); $SIG{{TERM}} = sub {{ exit 5 }}; sleep 1 while 1");
    let keys = "type = \"forking\"\ndaemon-pidfile = \"DATA/own.pid\"\npidfile = \"PIDS/x.pid\"\nrestart = \"on-failure\"\nrestart-delay = \"10ms\"\n";
    let jail = Jail::new("forking", "");
    let pids = jail.temp.dir("pids");
    jail.write(&perl(&script, &keys.replace("PIDS", pids.to_str().unwrap())));
    let before = jail.snapshot();
    jail.ask("start").expect_code(0);
    let main = Process::of(jail.number("pid")).unwrap();
    let inner: i32 = fs::read_to_string(jail.data("own.pid")).unwrap().trim().parse().unwrap();
    assert_eq!(main.inner_pid(), Some(inner));
    // The host's pidfile has the host's pid, and nobody else is told of.
    assert_eq!(fs::read_to_string(pids.join("x.pid")).unwrap(), format!("{}\n", main.pid));
    // Its end is the jail's, and is known.
    thinjail_tests::jail::send(main.pid, Signal::TERM);
    wait::until_true("it was started again", || jail.status()["restarts"] == 1 && jail.status()["stage"] == "running");
    assert_ne!(jail.number("pid"), main.pid);
    jail.ask("stop").expect_code(0);
    jail.assert_as(&before);
}

#[test]
fn a_pidfile_that_nobody_else_may_read_is_of_the_one_process_that_is_left() {
    need!(skip::namespaces());
    let _alone = alone();
    let keys = "type = \"forking\"\ndaemon-pidfile = \"DATA/own.pid\"\nuser = \"nobody\"\nstart-timeout = \"2s\"\n";
    let script = |more: &str| format!("umask 077; {more} {FORK} background(0, 'DATA/own.pid'); sleep 1 while 1");
    let jail = Jail::new("secretive", &perl(&script(""), keys));
    fs::set_permissions(jail.data(""), fs::Permissions::from_mode(0o777)).unwrap();
    let before = jail.snapshot();
    jail.ask("start").expect_code(0);
    let file = fs::metadata(jail.data("own.pid")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let main = Process::of(jail.number("pid")).unwrap();
    let inner = fs::read_to_string(jail.data("own.pid")).unwrap();
    assert_eq!(main.inner_pid(), inner.trim().parse().ok());
    thinjail_tests::jail::send(main.pid, Signal::TERM);
    wait::until_true("its end is the jail's", || jail.ask("status").code() == Some(3));
    jail.assert_as(&before);
    // Of two that are left nobody can tell.
    jail.write(&perl(&script("unless (fork) { sleep 1 while 1 }"), keys));
    jail.ask("start").expect_code(1).expect_stderr(&["it was not ready within 2 s"]);
}

#[test]
fn a_helper_that_a_killed_daemon_leaves_is_not_its_main_process() {
    need!(skip::namespaces());
    let _alone = alone();
    // It ends well and soon, as one does that has looked up a name; till then it may hold the daemon's port.
    let daemon = "unless (fork) { sleep 3; exit 0 } sleep 1 while 1";
    let restart = "restart = \"on-failure\"\nrestart-delay = \"10ms\"\n";
    for (what, script, keys) in [
        (
            "named",
            format!("umask 077; {FORK} background(0, 'DATA/own.pid'); {daemon}"),
            "daemon-pidfile = \"DATA/own.pid\"\n",
        ),
        ("alone", format!("exit 0 if fork; {daemon}"), ""),
    ] {
        let keys = format!("type = \"forking\"\nuser = \"nobody\"\n{keys}{restart}");
        let jail = Jail::new(what, &perl(&script, &keys));
        fs::set_permissions(jail.data(""), fs::Permissions::from_mode(0o777)).unwrap();
        let before = jail.snapshot();
        jail.ask("start").expect_code(0);
        let main = jail.number("pid");
        wait::until_true("it has its helper", || Process::below(main).len() == 1);
        thinjail_tests::jail::send(main, Signal::KILL);
        let again = || jail.status()["restarts"] == 1 && jail.status()["stage"] == "running";
        wait::until_true("it was started again", again);
        assert_ne!(jail.number("pid"), main);
        jail.ask("stop").expect_code(0);
        jail.assert_as(&before);
    }
}

#[test]
fn of_a_daemon_without_a_pidfile_whoever_is_left_alone_is_the_main_process() {
    need!(skip::namespaces());
    let _alone = alone();
    // The one in between ends only later.
    let script = "exit 0 if fork; sleep 1; exit 0 if fork; $SIG{HUP} = sub { exit 7 }; sleep 1 while 1";
    let jail = Jail::new("alone", &perl(script, "type = \"forking\"\n"));
    let before = jail.snapshot();
    jail.ask("start").expect_code(0);
    let between = jail.number("pid");
    // For a moment after the end of one it is not known who is next.
    let last = || jail.status()["pid"].as_i64().filter(|pid| *pid != i64::from(between));
    wait::until("the last of them is it", last);
    assert_eq!(jail.status()["stage"], "running");
    // Its end is the jail's, whomever it leaves.
    thinjail_tests::jail::send(jail.number("pid"), Signal::HUP);
    wait::until_true("it has ended", || jail.ask("status").code() == Some(3));
    jail.assert_as(&before);
}

#[test]
fn with_type_forking_and_no_pidfile_the_daemon_is_all_that_is_left() {
    need!(skip::namespaces());
    let _alone = alone();
    let jail = Jail::of_script("tree", "sleep 1000 & sleep 1000 & exit 0", "type = \"forking\"\n");
    let before = jail.snapshot();
    jail.ask("start").expect_code(0);
    let sleeping = || -> Vec<Process> {
        Process::below(jail.number("supervisor")).into_iter().filter(|process| process.inner_pid() != Some(1)).collect()
    };
    let both = sleeping();
    assert_eq!(both.len(), 2, "{both:?}");
    thinjail_tests::jail::send(both[0].pid, Signal::KILL);
    wait::until_true("the other goes on alone", || sleeping().len() == 1);
    jail.ask("status").expect_code(0);
    thinjail_tests::jail::send(both[1].pid, Signal::KILL);
    wait::until_true("with the last it has ended", || jail.ask("status").code() == Some(3));
    jail.assert_as(&before);
    // And a stop reaches both.
    jail.ask("start").expect_code(0);
    let begin = Instant::now();
    jail.ask("stop").expect_code(0);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    jail.assert_as(&before);
    assert!(std::path::Path::new(BUSYBOX).exists());
}

#[test]
fn whom_a_pidfile_names_that_is_none_of_the_daemon_s_is_not_the_main_process() {
    need!(skip::namespaces());
    let _alone = alone();
    // Itself, pid 1, a stranger of the host, no number, and a file that never ends.
    for planted in [
        "print $f $$",
        "print $f 1",
        "print $f getppid + 0",
        "print $f qq(x)",
        "unlink 'DATA/own.pid'; symlink '/dev/zero', 'DATA/own.pid'",
    ] {
        let script = format!("open my $f, '>', 'DATA/own.pid'; {planted}; close $f; exit 0 if fork; sleep 1000");
        let keys = "type = \"forking\"\ndaemon-pidfile = \"DATA/own.pid\"\nstart-timeout = \"500ms\"\n";
        let jail = Jail::new("planted", &perl(&script, keys));
        jail.ask("start").expect_code(1).expect_stderr(&["it was not ready within 500 ms"]);
    }
}
