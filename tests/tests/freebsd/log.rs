//! syslog(3) inside: what is said there reaches the host's socket, whoever has it at that moment.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip, wait};

use crate::profile;

const LOG: &str = "/var/run/log";

/// The host's socket, put aside for ours until the end of the test.
struct Aside(Option<PathBuf>);

impl Aside {
    fn new() -> Self {
        let aside = PathBuf::from("/var/run/log.of-the-host");
        Self(fs::rename(LOG, &aside).is_ok().then_some(aside))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = fs::remove_file(LOG);
        if let Some(aside) = &self.0 {
            let _ = fs::rename(aside, LOG);
        }
    }
}

fn listen() -> UnixDatagram {
    let _ = fs::remove_file(LOG);
    let socket = UnixDatagram::bind(LOG).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

fn heard(socket: &UnixDatagram) -> String {
    let mut message = [0; 1024];
    let length = socket.recv(&mut message).unwrap();
    String::from_utf8_lossy(&message[..length]).into_owned()
}

#[test]
fn what_is_said_inside_reaches_the_hosts_syslogd_and_the_next_one() {
    need!(skip::root());
    let logger = need!(skip::program("logger")).display().to_string();
    let _alone = alone();
    let temp = TempDir::new();
    let _aside = Aside::new();
    let first = listen();
    let before = Snapshot::take(&[]);
    let script = format!(
        "{logger} -p user.notice -t jailed one; while ! test -e {0}/go; do sleep 0.05; done; {logger} -t jailed two",
        temp.at("data")
    );
    temp.dir("data");
    let more = format!("devices = [\"log\"]\nread = [\"{}\"]\nuser = \"nobody\"\n", temp.at("data"));
    let profiles = profile(&temp, "logging", &script, &more);
    let text = fs::read_to_string(profiles.join("logging.toml")).unwrap();
    temp.profile("logging", &text.replacen("[\"sleep\"]", "[\"sleep\", \"logger\"]", 1));
    let mut jail = thinjail(["run", "logging"]).profiles(&profiles).spawn();
    let one = heard(&first);
    assert!(one.starts_with("<13>") && one.contains("jailed") && one.contains("one"), "{one}");
    // syslogd starts again, with another socket.
    drop(first);
    let second = listen();
    temp.file("data/go", "");
    assert!(heard(&second).contains("two"));
    wait::until_true("the jail ends", || jail.ended().is_some());
    before.assert_same_now(&[]);
}

#[test]
fn without_the_word_there_is_no_socket_and_without_a_host_s_an_error() {
    need!(skip::root());
    let _alone = alone();
    let without = thinjail(["run", "--", "/bin/sh", "-c", "test -e /var/run/log"]).run();
    assert_eq!(without.code(), Some(1), "{}", without.stderr);
    let _aside = Aside::new();
    let none = thinjail(["run", "--devices", "log", "--", "/bin/echo"]).run();
    none.expect_code(125).expect_stderr(&["devices: log", LOG, "help:"]);
}
