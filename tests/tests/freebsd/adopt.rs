//! Services of the base system, adopted and put back: syslogd(8), ntpd(8) and the resolver, asked by datagrams. The latter two have
//! scripts that do something before or after the start.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::thinjail;
use thinjail_tests::{need, skip, wait};

use crate::daemons;

/// One service, and everything that the test makes for it, gone at the end; the machine's own runs again then.
struct Made {
    service: &'static str,
    /// What the administrator has in rc.conf.d already, and keeps.
    theirs: String,
    ran: bool,
}

impl Made {
    /// `settings` are of its rc.conf(5); DATA in them is its directory.
    fn new(service: &'static str, settings: &str) -> Self {
        let theirs = format!("# theirs\n{settings}\n").replace("DATA", &data(service));
        let made = Self { service, theirs, ran: act(service, "onestop").status.success() };
        for dir in ["/usr/local/etc/rc.conf.d", "/usr/local/etc/thinjail", &data(service)] {
            fs::create_dir_all(dir).unwrap();
        }
        fs::write(made.hook(), &made.theirs).unwrap();
        made
    }

    fn hook(&self) -> PathBuf {
        Path::new("/usr/local/etc/rc.conf.d").join(self.service)
    }

    /// A file of its directory.
    fn write(&self, name: &str, text: &str) {
        fs::write(format!("{}/{name}", data(self.service)), text.replace("DATA", &data(self.service))).unwrap();
    }

    /// The administrator's profile.
    fn profile(&self, text: &str) {
        let path = format!("/usr/local/etc/thinjail/{}.toml", self.service);
        fs::write(path, text.replace("DATA", &data(self.service))).unwrap();
    }

    #[track_caller]
    fn does(&self, action: &str) {
        let acted = act(self.service, action);
        assert!(acted.status.success(), "{action}: {acted:?}");
    }

    /// In a jail or without one, and rc.subr(8) sees that it runs.
    #[track_caller]
    fn runs(&self, jailed: bool) {
        thinjail(["status", self.service]).run().expect_code(if jailed { 0 } else { 3 });
        self.does("onestatus");
    }

    /// Adopted, started again, put back; `serves` asks it each time.
    fn is_adopted_and_put_back(&self, serves: &dyn Fn(&str)) {
        let trees = [Path::new("/usr/local/etc")];
        self.does("onestart");
        serves("before");
        self.runs(false);
        let before = Snapshot::take(&trees);

        let shown = thinjail(["adopt", "--dry-run", self.service]).run();
        shown.expect_code(0);
        assert!(shown.stdout.contains("+run_rc_command()"), "{}", shown.stdout);
        before.assert_same_now(&trees);

        thinjail(["adopt", self.service]).run().expect_code(0);
        serves("inside");
        self.runs(true);
        self.does("onerestart");
        serves("restarted");
        self.runs(true);

        thinjail(["adopt", "--undo", self.service]).run().expect_code(0);
        serves("after");
        self.is_as_it_was();
    }

    fn is_as_it_was(&self) {
        self.runs(false);
        assert_eq!(fs::read_to_string(self.hook()).unwrap(), self.theirs);
        assert!(!Path::new("/var/db/thinjail/adopted").exists());
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = thinjail(["adopt", "--undo", self.service]).run();
        let _ = act(self.service, "onestop");
        let _ = fs::remove_file(self.hook());
        let _ = fs::remove_file(format!("/usr/local/etc/thinjail/{}.toml", self.service));
        let _ = fs::remove_dir_all(data(self.service));
        let _ = fs::remove_dir("/usr/local/etc/rc.conf.d");
        if self.ran {
            let _ = act(self.service, "onestart");
        }
    }
}

fn data(service: &str) -> String {
    format!("/var/db/tj-{service}")
}

fn act(service: &str, action: &str) -> Output {
    Command::new("service").args([service, action]).output().unwrap()
}

#[test]
fn syslogd_is_adopted_and_put_back() {
    need!(skip::root());
    need!(skip::program("service"));
    need!(skip::program("syslogd"));
    let _alone = alone();
    let made = Made::new("syslogd", "syslogd_flags=\"-b 127.0.0.1 -f DATA/conf\"");
    made.write("conf", "*.*\tDATA/all\n");
    made.write("all", "");
    let profile = |command: &str| {
        made.profile(&format!(
            "command = \"{command}\"\nuser = \"root\"\nwrite = [\"DATA\"]\npidfile = \"/var/run/syslog.pid\"\n\
             stop-timeout = \"5s\"\n"
        ));
    };
    // It writes down what it is told.
    let serves = |word: &str| {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        wait::until_true("the message is written down", || {
            let _ = socket.send_to(format!("<13>asked: {word}").as_bytes(), (Ipv4Addr::LOCALHOST, 514));
            fs::read_to_string(format!("{}/all", data("syslogd"))).unwrap_or_default().contains(word)
        });
    };
    profile("/usr/sbin/syslogd -F -b 127.0.0.1 -f DATA/conf");
    made.is_adopted_and_put_back(&serves);

    thinjail(["adopt", "syslogd"]).run().expect_code(0);
    made.does("onereload");
    serves("reloaded");
    made.runs(true);
    thinjail(["adopt", "--undo", "syslogd"]).run().expect_code(0);

    // One that ends at once is put back by itself.
    profile("/bin/sh -c 'exit 7'");
    let failed = thinjail(["adopt", "--wait", "5", "syslogd"]).run();
    failed.expect_code(1).expect_stderr(&["syslogd is put back", "is as it was, and runs"]);
    serves("once-more");
    made.is_as_it_was();
}

#[test]
fn ntpd_is_adopted_and_put_back() {
    need!(skip::root());
    need!(skip::program("service"));
    need!(skip::program("ntpd"));
    need!(skip::path("/etc/rc.d/ntpd"));
    let _alone = alone();
    // Its script looks at the file of leap seconds before each start, and fetches it where it is not told otherwise.
    let made = Made::new("ntpd", "ntpd_config=\"DATA/conf\"\nntpd_flags=\"-f DATA/drift\"\nntp_db_leapfile=\"none\"");
    made.write(
        "conf",
        "disable ntp kernel\ninterface ignore wildcard\ninterface listen 127.0.0.1\nserver 127.127.1.0\nfudge 127.127.1.0 stratum 5\n",
    );
    made.profile(
        "command = \"/usr/sbin/ntpd -n -g -c DATA/conf -f DATA/drift\"\nuser = \"root\"\nwrite = [\"DATA\"]\ntmp = true\n\
         etc = [\"passwd\", \"group\", \"services\", \"hosts\"]\npidfile = \"/var/db/ntp/ntpd.pid\"\nstop-timeout = \"5s\"\n",
    );
    made.is_adopted_and_put_back(&|_| {
        let answer = wait::until("ntpd answers", || daemons::ask(123, &daemons::time_question()));
        assert_eq!((answer.len(), answer[0] & 0x3f), (48, 0x24), "{answer:?}");
    });
}

#[test]
fn the_resolver_of_base_is_adopted_and_put_back() {
    need!(skip::root());
    need!(skip::program("service"));
    need!(skip::program("local-unbound"));
    need!(skip::path("/etc/rc.d/local_unbound"));
    let _alone = alone();
    let made = Made::new("local_unbound", "local_unbound_workdir=\"DATA\"");
    // Its script makes what is missing before the start, and asks by the control socket after it, from the host.
    made.write("root.key", "; none\n");
    made.write(
        "unbound.conf",
        "server:\n  interface: 127.0.0.1\n  port: 5353\n  username: unbound\n  directory: DATA\n  chroot: DATA\n\
         \u{20} pidfile: /var/run/local_unbound.pid\n  module-config: \"iterator\"\n\
         \u{20} local-zone: \"jail.test.\" static\n  local-data: \"here.jail.test. A 192.0.2.7\"\n\
         remote-control:\n  control-enable: yes\n  control-interface: DATA/control\n  control-use-cert: no\n",
    );
    made.profile(
        "command = \"/usr/sbin/local-unbound -dd -p -c DATA/unbound.conf\"\nuser = \"root\"\nusers = [\"unbound\"]\n\
         write = [\"DATA\"]\netc = [\"passwd\", \"group\", \"services\", \"hosts\"]\npidfile = \"/var/run/local_unbound.pid\"\n",
    );
    made.is_adopted_and_put_back(&|_| {
        let answer = wait::until("the resolver answers", || daemons::ask(5353, &daemons::name_question()));
        assert!(answer.ends_with(&[192, 0, 2, 7]), "{answer:?}");
    });
}
