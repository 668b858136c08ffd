//! Without root: the same jail in a user namespace, for whoever calls it; and what it can't have is said before the start.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::os::unix::fs::MetadataExt;

use rustix::process::Signal;
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::thinjail_through;
use thinjail_tests::user::User;
use thinjail_tests::wait::until;
use thinjail_tests::{need, skip};

/// What sh(1) runs inside; what it prints.
#[track_caller]
fn said(user: &User, flags: &[&str], script: &str) -> String {
    let words = [&["run"][..], flags, &["--", "/bin/sh", "-c", script]].concat();
    user.thinjail(words).run().expect_code(0).stdout.clone()
}

#[test]
fn an_ordinary_user_runs_a_program_in_a_jail_as_itself() {
    let _alone = alone();
    let user = need!(User::ordinary());
    let before = Snapshot::take(&[]);
    let uid = user.uid();
    let text = said(
        &user,
        &["--programs=id"],
        "id -u; while read -r a b c; do echo $a $b $c; done </proc/self/uid_map; \
         while read -r a b; do case $a in CapEff:|CapBnd:|NoNewPrivs:) echo $a $b; esac; done </proc/self/status; cat /etc/hosts 2>&1 || :",
    );
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], [uid.to_string(), format!("{uid} {uid} 1")], "{text}");
    assert_eq!(lines[2..5], ["CapEff: 0000000000000000", "CapBnd: 0000000000000000", "NoNewPrivs: 1"], "{text}");
    assert!(lines[5].contains("not found"), "{text}");
    before.assert_same_now(&[]);
}

#[test]
fn what_it_may_write_it_writes_as_itself_and_the_rest_is_read_only() {
    let user = need!(User::ordinary());
    let dir = user.dir("data");
    let write = format!("--write={}", dir.display());
    let script = format!(
        "echo ours >{0}/file; echo x >/x 2>/dev/null || echo read-only; echo y >/tmp/y && echo tmp",
        dir.display()
    );
    assert_eq!(said(&user, &[&write, "--tmp"], &script), "read-only\ntmp\n");
    let meta = fs::metadata(dir.join("file")).unwrap();
    assert_eq!((meta.uid(), meta.len()), (user.uid(), 5));
}

#[test]
fn devices_proc_network_and_host_name_are_there_without_root() {
    let user = need!(User::ordinary());
    let flags = ["--network=none", "--hostname=inside", "--devices=shm", "--proc=full", "--programs=hostname,cat"];
    let script = "hostname; : >/dev/null && echo null; echo x >/dev/shm/x && echo shm; cat /proc/net/dev | while read -r a b; do \
                  case $a in *:) echo $a; esac; done; for p in /proc/[0-9]*; do echo $p; done; (: </proc/kcore) 2>/dev/null || echo masked";
    assert_eq!(said(&user, &flags, script), "inside\nnull\nshm\nlo:\n/proc/1\n/proc/2\nmasked\n");
}

#[test]
fn the_callers_groups_stay_and_the_plan_says_so() {
    need!(skip::root());
    let user = need!(User::ordinary());
    let script = "while read -r a b; do case $a in Groups:) echo $b; esac; done </proc/self/status";
    let with = ["--groups=4,24"];
    let run = user.thinjail_with(&with, ["run", "--", "/bin/sh", "-c", script]).run();
    assert_eq!(run.expect_code(0).stdout, "65534 65534 65534\n".replacen("65534 ", "", 1));
    let plan = user.thinjail_with(&with, ["plan", "--json", "--", "/bin/true"]).plan();
    assert_eq!(plan.exec.ids.groups, [4, 24]);
}

#[test]
fn a_key_that_needs_a_second_id_or_a_privilege_is_an_error_that_names_it() {
    let user = need!(User::ordinary());
    for (flag, what) in [
        ("--user=root", "user = \"root\": without root"),
        ("--group=1", "group = \"1\": without root"),
        ("--capabilities=chown", "capabilities: without root"),
        ("--run-dir=thinjail-x", "may make nothing in /run"),
        ("--pidfile=/etc/x.pid", "pidfile = \"/etc/x.pid\""),
    ] {
        let finished = user.thinjail(["run", flag, "--", "/bin/true"]).run();
        finished.expect_code(125).expect_stderr(&[what, "\n  help: "]);
        let checked = user.thinjail(["check", flag, "--", "/bin/true"]).run();
        assert!(checked.expect_code(1).stdout.contains(what), "{}", checked.stdout);
    }
}

#[test]
fn a_jail_without_root_is_stopped_and_leaves_nothing() {
    let _alone = alone();
    let user = need!(User::ordinary());
    let before = Snapshot::take(&[user.home.path()]);
    let pidfile = format!("--pidfile={}", user.dir(".").join("pid").display());
    for wait in ["--wait=main", "--wait=all"] {
        let script = "trap 'echo stopped; exit 3' TERM; sleep 60 & echo started; wait";
        let mut running =
            user.thinjail(["run", &pidfile, wait, "--programs=sleep", "--", "/bin/sh", "-c", script]).spawn();
        running.wait_for_stdout("started");
        // Written when the program has begun, which may speak sooner.
        let pid: i32 = until("a pid in the pidfile", || {
            fs::read_to_string(user.home.path().join("pid")).ok()?.trim().parse().ok()
        });
        assert!(running.inside().iter().any(|process| process.pid == pid));
        running.signal(Signal::TERM);
        let finished = running.finish();
        assert_eq!((finished.code(), finished.stdout.as_str()), (Some(3), "started\nstopped\n"), "{}", finished.stderr);
        before.assert_same_now(&[user.home.path()]);
    }
}

#[test]
fn a_killed_supervisor_takes_its_jail_along_without_root() {
    let _alone = alone();
    let user = need!(User::ordinary());
    let before = Snapshot::take(&[]);
    let mut running =
        user.thinjail(["run", "--programs=sleep", "--", "/bin/sh", "-c", "echo started; sleep 60"]).spawn();
    running.wait_for_stdout("started");
    running.signal(Signal::KILL);
    let _ = running.finish();
    before.assert_same_now(&[]);
}

#[test]
fn settings_that_forbid_user_namespaces_are_named_with_the_exact_fix() {
    let _alone = alone();
    need!(User::ordinary());
    // A user namespace has limits of its own, and who has its capabilities may lower them: RHEL's way to switch them off.
    let lowered = "echo 0 >/proc/sys/user/max_user_namespaces && exec \"$@\"";
    let through =
        ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--keep-caps", "sh", "-c", lowered, "sh"];
    let finished = thinjail_through(through, ["run", "--", "/bin/true"]).run();
    finished.expect_code(125).expect_stderr(&["user namespace", "user.max_user_namespaces=15000", "sysctl --system"]);
}

#[test]
fn an_env_file_of_its_own_reaches_the_program_and_no_plan() {
    let _alone = alone();
    let user = need!(User::ordinary());
    let file = user.file("own.env", "TOKEN=top-secret\n");
    thinjail_tests::temp::chmod(&file, 0o600);
    let flag = format!("--env-file={}", file.display());
    for more in [&[][..], &["--no-supervisor", "--proc=none"], &["--isolation=landlock"]] {
        let flags = [&[flag.as_str()][..], more].concat();
        assert_eq!(said(&user, &flags, "echo $TOKEN"), "top-secret\n", "{more:?}");
        for verb in ["plan", "facts"] {
            let words = [&[verb][..], &flags, &["--", "/bin/sh"]].concat();
            let shown = user.thinjail(words).run().expect_code(0).stdout.clone();
            assert!(shown.contains("TOKEN") && !shown.contains("top-secret"), "{shown}");
        }
    }
}
