//! jail(8)'s parameters, one of every kind, seen by jls(8) while the jail runs, and the kernel's own words for bad ones.

use thinjail_tests::freebsd::{param, params, sysctl};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip};

use crate::{STAY, profile, up};

fn jail_with(more: &str, expected: &[(&str, &str)]) {
    let _alone = alone();
    let temp = TempDir::new();
    let before = Snapshot::take(&[temp.path()]);
    {
        let jail = up(&temp, "kinds", more);
        let seen = params("kinds").expect("the jail has its profile's name");
        for (name, value) in expected {
            assert_eq!(seen.get(*name).map(String::as_str), Some(*value), "{name} of {seen:#?}");
        }
        jail.stop();
    }
    std::fs::remove_dir_all(temp.path().join("profiles")).unwrap();
    before.assert_same_now(&[temp.path()]);
}

#[test]
fn without_a_word_a_jail_may_do_little() {
    need!(skip::root());
    need!(skip::program("jls"));
    jail_with(
        "",
        &[
            ("nopersist", ""),
            ("enforce_statfs", "2"),
            ("children.max", "0"),
            ("ip4", "inherit"),
            ("host", "inherit"),
            ("sysvmsg", "new"),
            ("sysvsem", "new"),
            ("sysvshm", "new"),
            ("allow.noset_hostname", ""),
            ("allow.noraw_sockets", ""),
            ("allow.nomount", ""),
            ("allow.nochflags", ""),
            ("allow.nomlock", ""),
            ("allow.nosocket_af", ""),
        ],
    );
}

#[test]
fn booleans_are_set_and_unset() {
    need!(skip::root());
    need!(skip::program("jls"));
    let more = "[freebsd.params]\n\"allow.raw_sockets\" = \"\"\n\"allow.mlock\" = \"\"\n\"allow.set_hostname\" = \"\"\n\
                \"allow.noreserved_ports\" = \"\"\n";
    let on =
        [("allow.raw_sockets", ""), ("allow.mlock", ""), ("allow.set_hostname", ""), ("allow.noreserved_ports", "")];
    jail_with(more, &on);
}

#[test]
fn numbers_are_set() {
    need!(skip::root());
    need!(skip::program("jls"));
    let more = "[freebsd.params]\nsecurelevel = \"2\"\n\"children.max\" = \"3\"\nenforce_statfs = \"1\"\n";
    jail_with(more, &[("securelevel", "2"), ("children.max", "3"), ("enforce_statfs", "1")]);
}

#[test]
fn texts_are_set() {
    need!(skip::root());
    need!(skip::program("jls"));
    let more = "hostname = \"inside.example\"\n[freebsd.params]\n\"host.domainname\" = \"example\"\n\
                \"host.hostuuid\" = \"00000000-0000-0000-0000-00000000002a\"\nosrelease = \"12.4-INSIDE\"\nosreldate = \"1204000\"\n";
    let expected = [
        ("host", "new"),
        ("host.hostname", "inside.example"),
        ("host.domainname", "example"),
        ("host.hostuuid", "00000000-0000-0000-0000-00000000002a"),
        ("osrelease", "12.4-INSIDE"),
        ("osreldate", "1204000"),
    ];
    jail_with(more, &expected);
}

#[test]
fn choices_are_set() {
    need!(skip::root());
    need!(skip::program("jls"));
    let more = "network = \"none\"\n[freebsd.params]\nsysvmsg = \"disable\"\nsysvshm = \"inherit\"\n";
    jail_with(more, &[("ip4", "disable"), ("sysvmsg", "disable"), ("sysvshm", "inherit"), ("sysvsem", "new")]);
}

#[test]
fn addresses_are_set() {
    need!(skip::root());
    need!(skip::program("jls"));
    let more = "[freebsd.params]\n\"ip4.addr\" = \"127.0.0.1\"\n";
    // jls(8) of 13.2 calls the family `disable` for jails of jail(8) with addresses, too, and `new` elsewhere.
    jail_with(more, &[("ip4.addr", "127.0.0.1"), ("ip6.addr", "")]);
}

#[test]
fn addresses_of_the_sixth_version_are_set() {
    need!(skip::root());
    need!(skip::program("jls"));
    need!(param("ip6.addr"));
    let more = "[freebsd.params]\n\"ip6.addr\" = \"::1\"\n";
    jail_with(more, &[("ip6.addr", "::1")]);
}

#[test]
fn what_the_kernel_does_not_take_is_told_in_its_words_and_nothing_is_left() {
    need!(skip::root());
    need!(skip::program("jls"));
    let _alone = alone();
    let temp = TempDir::new();
    let cases = [
        ("no.such.parameter", "1", "no.such.parameter"),
        ("allow.nonsense", "", "allow.nonsense"),
        ("securelevel", "many", "securelevel"),
        // The kernel has no words for it.
        ("enforce_statfs", "7", "Invalid argument"),
        ("sysvshm", "perhaps", "sysvshm"),
        ("ip4.addr", "not.an.address", "ip4.addr"),
        ("ip6.addr", "127.0.0.1", "ip6.addr"),
        ("osrelease", "a-release-name-that-is-much-longer-than-the-kernel-has-room-for", "osrelease"),
        ("osreldate", "0", "osreldate cannot be 0"),
        ("allow.raw_sockets", "yes", "allow.raw_sockets"),
        ("host.hostuuid", &"x".repeat(300), "host.hostuuid"),
    ];
    let mut wrong = Vec::new();
    for (number, (name, value, word)) in cases.iter().enumerate() {
        let more = format!("hostname = \"x\"\n[freebsd.params]\n\"{name}\" = \"{value}\"\n");
        let profiles = profile(&temp, "bad", "exit 0", &more);
        let before = Snapshot::take(&[temp.path()]);
        let refused = thinjail(["run", "bad"]).profiles(&profiles).run();
        before.assert_same_now(&[temp.path()]);
        if refused.code() != Some(125) || !refused.stderr.contains(word) {
            wrong.push(format!("{number}: {name}={value}: {:?} {}", refused.code(), refused.stderr));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_fib_that_is_not_there_is_refused_and_one_that_is_is_set() {
    need!(skip::root());
    let fibs: u32 = sysctl("net.fibs").and_then(|fibs| fibs.parse().ok()).unwrap_or(1);
    let _alone = alone();
    let temp = TempDir::new();
    let profiles = profile(&temp, "fib", "exit 0", &format!("[freebsd.params]\n\"exec.fib\" = \"{fibs}\"\n"));
    let refused = thinjail(["run", "fib"]).profiles(&profiles).run();
    refused.expect_code(125).expect_stderr(&["fib"]);
    let profiles = profile(&temp, "fib", "exit 0", "[freebsd.params]\n\"exec.fib\" = \"0\"\n");
    thinjail(["run", "fib"]).profiles(&profiles).run().expect_code(0);
}

#[test]
fn processors_are_the_jails_and_nobody_in_it_takes_others() {
    need!(skip::root());
    let cpuset = need!(skip::program("cpuset")).display().to_string();
    let count: u32 = sysctl("hw.ncpu").and_then(|count| count.parse().ok()).unwrap_or(1);
    let _alone = alone();
    let temp = TempDir::new();
    let with = |cpus: &str| {
        let script = format!("{cpuset} -g -p 0 2>&1; {cpuset} -l 0-{} true && echo more; {cpuset} -g", count - 1);
        let head = format!("command = [\"/bin/sh\", \"-c\", \"{script}\"]\nprograms = [\"cpuset\", \"true\"]\n");
        let more = format!("user = \"root\"\n[freebsd.params]\n\"exec.cpuset\" = \"{cpus}\"\n");
        thinjail(["run", "cpus"]).profiles(&temp.profile("cpus", &format!("{head}{more}"))).run()
    };
    for wrong in [count.to_string(), "one".into(), String::new(), "1-0".into()] {
        with(&wrong).expect_code(125).expect_stderr(&["exec.cpuset", "help:"]);
    }
    if count < 2 {
        skip!("this machine has one processor");
    }
    let said = with("1").stdout;
    // The other mask that is shown is of domains of memory.
    assert!(said.contains("pid -1 mask: 1\n") && !said.contains("more"), "{said}");
}

#[test]
fn a_jail_inside_a_jail_is_refused_unless_children_are_allowed() {
    need!(skip::root());
    need!(skip::program("jail"));
    let _alone = alone();
    let temp = TempDir::new();
    let before = Snapshot::take(&[]);
    let script = "jail -c name=inner path=/ command=/bin/echo made";
    for (children, made) in [("0", false), ("1", true)] {
        let more = format!("[freebsd.params]\n\"children.max\" = \"{children}\"\n");
        let head = format!(
            "command = [\"/bin/sh\", \"-c\", \"{script}\"]\nprograms = [\"jail\", \"/bin/echo\"]\nuser = \"root\"\n{more}"
        );
        let profiles = temp.profile("outer", &head);
        let said = thinjail(["run", "outer"]).profiles(&profiles).run();
        assert_ne!(said.code(), Some(125), "{}", said.stderr);
        assert_eq!(said.stdout.contains("made"), made, "children.max={children}: {said:?}");
    }
    before.assert_same_now(&[]);
}

#[test]
fn the_jail_has_the_name_of_its_profile() {
    need!(skip::root());
    need!(skip::program("jls"));
    let _alone = alone();
    let temp = TempDir::new();
    let profiles = profile(&temp, "named-so", STAY, "");
    let mut jail = thinjail(["run", "named-so"]).profiles(&profiles).spawn();
    jail.wait_for_stdout("ready\n");
    assert!(params("named-so").is_some(), "{:?}", thinjail_tests::freebsd::jails());
    jail.stop();
}
