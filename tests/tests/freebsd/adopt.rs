//! A service of the base system, adopted and put back: syslogd(8), asked by datagrams.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Command, Output};

use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::thinjail;
use thinjail_tests::{need, skip, wait};

const DATA: &str = "/var/db/tjadopt";
const HOOK: &str = "/usr/local/etc/rc.conf.d/syslogd";
const PROFILE: &str = "/usr/local/etc/thinjail/syslogd.toml";

/// What the administrator has there already, and keeps.
const THEIRS: &str = "# theirs\nsyslogd_flags=\"-b 127.0.0.1 -f /var/db/tjadopt/conf\"\n";

fn service(action: &str) -> Output {
    Command::new("service").args(["syslogd", action]).output().unwrap()
}

/// It writes down what it is told, in a jail or without one.
#[track_caller]
fn serves(word: &str, jailed: bool) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    wait::until_true("the message is written down", || {
        let _ = socket.send_to(format!("<13>asked: {word}").as_bytes(), (Ipv4Addr::LOCALHOST, 514));
        fs::read_to_string(format!("{DATA}/log/all")).unwrap_or_default().contains(word)
    });
    let status = thinjail(["status", "syslogd"]).run();
    status.expect_code(if jailed { 0 } else { 3 });
    assert!(service("onestatus").status.success());
}

/// Everything that the test makes, gone at the end; and the machine's own syslogd, which runs again then.
struct Made {
    ran: bool,
}

impl Made {
    fn new() -> Self {
        let made = Self { ran: service("onestop").status.success() };
        for dir in ["/usr/local/etc/rc.conf.d", "/usr/local/etc/thinjail", &format!("{DATA}/log")] {
            fs::create_dir_all(dir).unwrap();
        }
        fs::write(format!("{DATA}/conf"), format!("*.*\t{DATA}/log/all\n")).unwrap();
        fs::write(format!("{DATA}/log/all"), "").unwrap();
        fs::write(HOOK, THEIRS).unwrap();
        made
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = thinjail(["adopt", "--undo", "syslogd"]).run();
        let _ = service("onestop");
        for path in [HOOK, PROFILE, &format!("{DATA}/conf"), &format!("{DATA}/log/all")] {
            let _ = fs::remove_file(path);
        }
        for dir in [&format!("{DATA}/log"), DATA, "/usr/local/etc/rc.conf.d"] {
            let _ = fs::remove_dir(dir);
        }
        if self.ran {
            let _ = service("onestart");
        }
    }
}

fn profile(command: &str) {
    let text = format!(
        "command = \"{command}\"\nuser = \"root\"\nread = [\"{DATA}/conf\"]\nwrite = [\"{DATA}/log\"]\n\
         pidfile = \"/var/run/syslog.pid\"\nstop-timeout = \"5s\"\n"
    );
    fs::write(PROFILE, text).unwrap();
}

#[test]
fn syslogd_is_adopted_and_put_back() {
    need!(skip::root());
    need!(skip::program("service"));
    need!(skip::program("syslogd"));
    let _alone = alone();
    let _made = Made::new();
    profile(&format!("/usr/sbin/syslogd -F -b 127.0.0.1 -f {DATA}/conf"));
    let trees = [Path::new("/usr/local/etc")];
    let started = service("onestart");
    assert!(started.status.success(), "{started:?}");
    serves("before", false);
    let before = Snapshot::take(&trees);

    let shown = thinjail(["adopt", "--dry-run", "syslogd"]).run();
    shown.expect_code(0);
    assert!(shown.stdout.contains("+run_rc_command()"), "{}", shown.stdout);
    before.assert_same_now(&trees);

    let done = thinjail(["adopt", "syslogd"]).run();
    done.expect_code(0);
    serves("inside", true);
    for action in ["onerestart", "onereload"] {
        let acted = service(action);
        assert!(acted.status.success(), "{action}: {acted:?}");
        serves(action, true);
    }
    thinjail(["adopt", "--undo", "syslogd"]).run().expect_code(0);
    serves("after", false);
    assert_eq!(fs::read_to_string(HOOK).unwrap(), THEIRS);

    // One that ends at once is put back by itself.
    profile("/bin/sh -c 'exit 7'");
    let failed = thinjail(["adopt", "--wait", "5", "syslogd"]).run();
    failed.expect_code(1).expect_stderr(&["syslogd is put back", "is as it was, and runs"]);
    serves("once-more", false);
    assert_eq!(fs::read_to_string(HOOK).unwrap(), THEIRS);
    assert!(!Path::new("/var/db/thinjail/adopted").exists());
}
