//! `log` and `log-size`: what the program says, in a file or to syslog(3).

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use thinjail_tests::host::alone;
use thinjail_tests::{need, skip, wait};

use crate::jail::Jail;

#[test]
fn log_is_a_file_that_is_opened_anew_when_it_was_renamed() {
    need!(skip::namespaces());
    let _alone = alone();
    let script = "n=0; while :; do n=$((n+1)); echo line $n; echo error $n >&2; sleep 0.02; done";
    let jail = Jail::of_script("file", script, "log = \"DATA/x.log\"\n");
    jail.ask("start").expect_code(0);
    let (log, moved) = (jail.data("x.log"), jail.data("moved.log"));
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    wait::until_true("it has lines", || read(&log).contains("line 3\n"));
    fs::rename(&log, &moved).unwrap();
    wait::until_true("the new one has lines", || read(&log).lines().count() > 3);
    jail.ask("stop").expect_code(0);
    // No line is lost, none is split, none is there twice.
    let all = read(&moved) + &read(&log);
    let numbers =
        |word: &str| -> Vec<u32> { all.lines().filter_map(|line| line.strip_prefix(word)?.parse().ok()).collect() };
    for word in ["line ", "error "] {
        let numbers = numbers(word);
        assert!(numbers.iter().copied().eq(1..=u32::try_from(numbers.len()).unwrap()), "{word}{numbers:?}");
    }
    assert!(read(&moved).lines().count() > 3);
}

#[test]
fn a_log_of_log_size_begins_anew_and_the_one_before_is_kept() {
    need!(skip::namespaces());
    let _alone = alone();
    let script = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo 'a line of some hundred characters, of which there are many, \
                  so that the file becomes as large as it may' $i; done; exec sleep 1000";
    let jail = Jail::of_script("size", script, "log = \"DATA/x.log\"\nlog-size = \"64K\"\n");
    jail.ask("start").expect_code(0);
    let size = |name: &str| fs::metadata(jail.data(name)).map_or(0, |meta| meta.len());
    let last = || fs::read_to_string(jail.data("x.log")).unwrap_or_default().ends_with(" 2000\n");
    wait::until_true("all of it is written", last);
    assert!(size("x.log") <= 65_536 && size("x.log.1") <= 65_536, "{} {}", size("x.log"), size("x.log.1"));
    assert!(size("x.log.1") > 30_000);
    assert_eq!(fs::read_dir(jail.data("")).unwrap().count(), 2);
}

#[test]
fn what_a_program_in_the_background_says_is_kept_and_shown_by_logs() {
    need!(skip::namespaces());
    let _alone = alone();
    let jail = Jail::of_script(
        "logs",
        "for i in 1 2 3 4 5; do echo said $i; done; exec sleep 1000",
        "restart = \"always\"\nrestart-delay = \"10ms\"\n",
    );
    jail.ask("start").expect_code(0);
    let shown =
        |words: &[&str]| jail.thinjail(&[&["logs", &jail.name], words].concat()).run().expect_code(0).stdout.clone();
    wait::until_true("it has spoken", || shown(&[]).ends_with("said 5\n"));
    assert_eq!(shown(&["-n", "2"]), "said 4\nsaid 5\n");
    let mut follows = jail.thinjail(&["logs", &jail.name, "-n", "1", "-f"]).spawn();
    follows.wait_for_stdout("said 5");
    let path = format!("/var/log/thinjail/{}.log", jail.name);
    let rotated = format!("{path}.old");
    fs::rename(&path, &rotated).unwrap();
    jail.send("pid", Signal::KILL);
    follows.wait_for_stdout("thinjail: /usr/bin/busybox: exited on signal 9; it is started again in 10 ms");
    follows.wait_until("the next life is shown", |follows| {
        (follows.stdout().matches("said 5").count() == 2).then_some(())
    });
    // What has ended is shown as well.
    jail.ask("stop").expect_code(0);
    assert!(shown(&[]).ends_with("said 5\n"));
    fs::remove_file(&path).unwrap();
    fs::remove_file(&rotated).unwrap();
    jail.ask("logs").expect_code(1).expect_stderr(&["help: "]);
}

#[test]
fn logs_reads_nothing_through_what_the_program_has_put_in_the_place_of_its_log() {
    need!(skip::namespaces());
    let _alone = alone();
    let jail = Jail::of_script("planted", "echo hello; exec sleep 1000", "log = \"DATA/x.log\"\n");
    jail.ask("start").expect_code(0);
    let log = jail.data("x.log");
    wait::until_true("it has spoken", || fs::read_to_string(&log).unwrap_or_default() == "hello\n");
    let secret = jail.temp.file("secret", "secret\n");
    fs::remove_file(&log).unwrap();
    std::os::unix::fs::symlink(&secret, &log).unwrap();
    let said = jail.ask("logs");
    assert!(!said.expect_code(1).stdout.contains("secret"), "{said:?}");
    fs::remove_file(&log).unwrap();
    // Nobody ever writes to it.
    rustix::fs::mknodat(rustix::fs::CWD, &log, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o644), 0)
        .unwrap();
    jail.ask("logs").expect_code(1).expect_stderr(&["it is no regular file"]);
}

/// The host's own place, which is a test's alone where it has a file system of its own.
const DEV_LOG: &str = "/dev/log";

#[test]
fn log_is_syslog_with_its_facility_and_priority() {
    need!(skip::namespaces());
    let _alone = alone();
    if Path::new(DEV_LOG).exists() {
        skip!("a syslogd runs here");
    }
    let jail = Jail::of_script(
        "syslog",
        "echo hello; echo; echo world >&2; exec sleep 1000",
        "log = \"syslog:local3.warning\"\n",
    );
    let socket = UnixDatagram::bind(DEV_LOG).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    jail.ask("start").expect_code(0);
    let next = || {
        let mut bytes = [0; 8192];
        let count = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    };
    let supervisor = jail.number("supervisor");
    let said = [next(), next()];
    fs::remove_file(DEV_LOG).unwrap();
    // 19 * 8 + 4.
    let name = &jail.name;
    assert_eq!(said, [format!("<156>{name}[{supervisor}]: hello"), format!("<156>{name}[{supervisor}]: world")]);
    jail.ask("logs").expect_code(1).expect_stderr(&["syslog"]);
}

#[test]
fn with_log_inherit_the_program_in_the_background_keeps_the_caller_s_output() {
    need!(skip::namespaces());
    let _alone = alone();
    let jail = Jail::of_script("inherit", "echo hello; exec sleep 1000", "log = \"inherit\"\n");
    let start = jail.thinjail(&["start", &jail.name]).spawn();
    wait::until_true("it is said to the caller", || start.stdout().contains("hello"));
}
