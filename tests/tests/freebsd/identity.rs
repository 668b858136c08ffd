//! Users, groups and login classes are the host's.

use std::fs;
use std::process::Command;

use thinjail_tests::host::alone;
use thinjail_tests::jail::thinjail;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip, tiny};

use crate::up;

/// What a command of the host says.
fn host(program: &str, args: &[&str]) -> String {
    let said = Command::new(program).args(args).output().unwrap();
    assert!(said.status.success(), "{program} {args:?}: {said:?}");
    String::from_utf8_lossy(&said.stdout).into_owned()
}

#[test]
fn a_user_has_inside_the_ids_and_groups_it_has_outside() {
    need!(skip::root());
    let id = need!(skip::program("id")).display().to_string();
    let _alone = alone();
    for user in ["root", "operator", "nobody", "bind", "daemon"] {
        let inside = thinjail(["run", "--user", user, "--", &id, "-u"]).run();
        assert_eq!(inside.expect_code(0).stdout, host("id", &["-u", user]), "{user}");
        let inside = thinjail(["run", "--user", user, "--", &id, "-g"]).run();
        assert_eq!(inside.expect_code(0).stdout, host("id", &["-g", user]), "{user}");
        let sorted = |text: &str| {
            let mut groups: Vec<String> = text.split_whitespace().map(String::from).collect();
            groups.sort();
            groups.dedup();
            groups
        };
        let inside = thinjail(["run", "--user", user, "--", &id, "-G"]).run();
        assert_eq!(sorted(&inside.expect_code(0).stdout), sorted(&host("id", &["-G", user])), "{user}");
    }
}

#[test]
fn groups_that_are_named_are_all_there_are() {
    need!(skip::root());
    let id = need!(skip::program("id")).display().to_string();
    let _alone = alone();
    let flags = ["--user", "nobody", "--group", "daemon", "--groups", "mail,operator"];
    let inside = thinjail(["run"]).args(flags).args(["--", &id, "-Gn"]).run();
    let mut names: Vec<&str> = inside.expect_code(0).stdout.split_whitespace().collect();
    names.sort_unstable();
    assert_eq!(names, ["daemon", "mail", "operator"]);
}

#[test]
fn the_login_class_is_the_users() {
    need!(skip::root());
    need!(skip::path("/etc/login.conf"));
    let _alone = alone();
    // The fifth field of master.passwd(5); where it is empty, login_getpwclass(3) says which.
    let users = fs::read_to_string("/etc/master.passwd").unwrap();
    let known = fs::read_to_string("/etc/login.conf").unwrap();
    let is_known = |class: &str| known.lines().any(|line| line.split([':', '|']).next() == Some(class));
    for user in ["root", "nobody", "operator", "daemon", "bind"] {
        let line = users.lines().find(|line| line.split(':').next() == Some(user)).unwrap();
        let class = match (line.split(':').nth(4).unwrap_or_default(), user) {
            ("", "root") => "root",
            ("", _) => "default",
            (class, _) => class,
        };
        // One that login.conf(5) does not have is the default.
        let class = if is_known(class) { class } else { "default" };
        let words = ["run", "--user", user, "--programs", "ps", "--", "/bin/sh", "-c", "exec ps -o class= -p $$"];
        assert_eq!(thinjail(words).run().expect_code(0).stdout.trim(), class, "{user}");
    }
}

#[test]
fn exec_runs_one_static_file_as_the_jails_user_and_puts_nothing_into_it() {
    need!(skip::root());
    let temp = TempDir::new();
    let id = need!(tiny::program(&temp, "id")).display().to_string();
    let _alone = alone();
    let mut jail = up(&temp, "execs", "user = \"nobody\"\n");
    let mounts = thinjail_tests::freebsd::mounts();
    for (user, uid) in [(&[][..], "65534\n"), (&["--user", "root"], "0\n")] {
        let said = thinjail(["exec"]).args(user).args(["execs", &id]).run();
        assert_eq!(said.expect_code(0).stdout, uid);
    }
    assert_eq!(thinjail_tests::freebsd::mounts(), mounts);
    thinjail(["exec", "execs", "/bin/echo"]).run().expect_code(125).expect_stderr(&["files to start", "/rescue"]);
    assert!(jail.ended().is_none());
    jail.stop();
}
