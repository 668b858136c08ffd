//! Hosts that refuse: no namespaces, no mounts, no privilege, an old kernel. One clear error that names the setting, exit
//! code 125, and the host as it was.
//!
//! No setting of the host is changed. Limits are set in a user namespace, which has its own; what a container's filter or an
//! older kernel says is put into thinjail's mouth by strace(1).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::process::Command;

use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Finished, thinjail_through};
use thinjail_tests::temp::TempDir;
use thinjail_tests::{binary, need, skip};

const BUSYBOX: &str = "/usr/bin/busybox";

/// The jail that is refused: as root, which has nothing to do with the refusal, and of every kind of namespace.
const ARGS: [&str; 7] = ["run", "--user=root", "--network=none", "--etc=", "--", BUSYBOX, "true"];

const ROOT: &str = "run it as root";
const KERNEL: &str = "needs Linux 5.12 or newer";

/// Runs it through a command that makes the host refuse.
#[track_caller]
fn refused(through: &[&str], said: &[&str]) {
    let before = Snapshot::take(&[]);
    let finished = thinjail_through(through, ARGS).run();
    one_clear_error(&finished, said);
    before.assert_same_now(&[]);
}

#[track_caller]
fn one_clear_error(finished: &Finished, said: &[&str]) {
    finished.expect_code(125).expect_stderr(said);
    assert_eq!(finished.stdout, "");
    let lines: Vec<&str> = finished.stderr.lines().collect();
    assert!(
        matches!(&lines[..], [what, help] if what.starts_with("thinjail: ") && help.starts_with("  help: ")),
        "{lines:#?}"
    );
}

#[test]
fn a_limit_of_namespaces_is_named() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    // A user namespace has limits of its own, and its root may lower them.
    let unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"];
    let probe = Command::new(unshare[0]).args(&unshare[1..]).arg("echo 1 >/proc/sys/user/max_mnt_namespaces").output();
    if !probe.unwrap().status.success() {
        skip!("this host refuses user namespaces");
    }
    for kind in ["mnt", "pid", "ipc", "uts", "net"] {
        let set = format!("echo 0 >/proc/sys/user/max_{kind}_namespaces && exec \"$@\"");
        let setting = format!("user.max_{kind}_namespaces is 0");
        refused(&[&unshare[..], &[&set, "sh"]].concat(), &["No space left on device", &setting, "sysctl(8)"]);
    }
}

#[test]
fn who_lacks_privilege_is_told_so() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    // Root of a container that may not mount; root of a user namespace in a mount namespace of the host's.
    refused(&["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"], &["CAP_SYS_ADMIN", ROOT, "container"]);
    refused(&["unshare", "--user", "--map-root-user"], &["CAP_SYS_ADMIN", ROOT]);
}

#[test]
fn what_a_filter_or_an_old_kernel_refuses_is_told() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    need!(skip::program("strace"));
    let cases = [
        ("fsopen:error=ENOSYS", KERNEL),
        ("fsopen:error=EPERM", ROOT),
        ("openat2:error=ENOSYS", KERNEL),
        ("open_tree:error=ENOSYS", KERNEL),
        ("open_tree:error=EPERM", ROOT),
        ("mount_setattr:error=ENOSYS", KERNEL),
        ("mount_setattr:error=EPERM", ROOT),
        ("move_mount:error=EPERM", ROOT),
        ("clone3,clone:error=ENOSYS", KERNEL),
        ("clone3:error=EPERM", ROOT),
        ("clone3:error=EINVAL", "CONFIG_NAMESPACES"),
        ("clone3:error=ENOSPC", "user.max_*_namespaces"),
        // On an initramfs.
        ("pivot_root:error=EINVAL", "switch_root(8)"),
        ("pivot_root:error=EPERM", ROOT),
    ];
    for (inject, help) in cases {
        let inject = format!("inject={inject}");
        refused(&["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject], &[help]);
    }
}

#[test]
fn a_root_that_is_no_mount_point_is_as_good_as_any() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    let dir = TempDir::new();
    dir.dir("dev");
    dir.dir("bin");
    dir.program("bin/busybox", fs::read(BUSYBOX).unwrap());
    dir.program("thinjail", fs::read(binary::thinjail()).unwrap());
    let run = ["/thinjail", "run", "--user=65534", "--", "/bin/busybox", "echo", "works"];
    let before = Snapshot::take(&[dir.path()]);
    let output = Command::new("chroot").arg(dir.path()).args(run).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "works\n", "{}", String::from_utf8_lossy(&output.stderr));
    before.assert_same_now(&[dir.path()]);
}

#[test]
fn a_kernel_that_mounts_nothing_on_a_detached_tree_makes_the_same_jail() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    need!(skip::program("strace"));
    let dir = TempDir::new();
    let (outer, inner) = (dir.dir("outer").display().to_string(), dir.dir("inner").display().to_string());
    dir.dir("outer/point");
    dir.file("inner/file", "nested");
    // Mounts upon mounts, of directories and of single files, and tmpfs with something below.
    let flags = [
        "--user=root".into(),
        "--tmp".into(),
        "--devices=shm".into(),
        "--proc=full".into(),
        format!("--mount={outer}:/srv:write"),
        format!("--mount={inner}:/srv/point"),
        format!("--mount={inner}/file:/tmp/one"),
        "--programs=cat,sort".into(),
    ];
    let script = "cat /srv/point/file /tmp/one; while read -r _ _ _ _ at options _; do echo $at $options; done \
                  </proc/self/mountinfo | sort; : >/dev/null; echo x >/x; echo done";
    let args: Vec<String> =
        ["run".into()].into_iter().chain(flags).chain(["--", "/bin/sh", "-c", script].map(String::from)).collect();
    // Only the supervisor is traced: what it could not attach the jail's init does, as it does before Linux 6.15.
    let old = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=move_mount:error=EINVAL"];
    let today = thinjail_through(["env"], &args).run();
    let then = thinjail_through(old, &args).run();
    today.expect_code(0);
    assert!(today.stdout.starts_with("nestednested") && today.stdout.ends_with("done\n"), "{}", today.stdout);
    then.expect_code(0);
    assert_eq!(today.stdout, then.stdout);
}

#[test]
fn where_no_nodes_can_be_made_the_host_s_are_mounted_as_restricted() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::program("strace"));
    let script = "while read -r _ _ _ _ at options _; do case $at in /dev*) echo $at ${options%%,rel*}; esac; done \
                  </proc/self/mountinfo; chmod 600 /dev/null || echo refused; : >/dev/null && echo written";
    let args = ["run", "--user=root", "--devices=shm", "--programs=chmod", "--", "/bin/sh", "-c", script];
    // A container's device rules, or a user namespace.
    let no_nodes = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=mknodat:error=EPERM"];
    let finished = thinjail_through(no_nodes, args).run();
    let mut lines: Vec<&str> = finished.expect_code(0).stdout.lines().collect();
    assert_eq!(lines.split_off(6), ["refused", "written"], "{}", finished.stderr);
    lines.sort_unstable();
    let node = |name: &str| format!("/dev/{name} ro,nosuid,noexec");
    let expected = ["full", "null", "random"].map(node).into_iter().chain(["/dev/shm rw,nosuid,nodev,noexec".into()]);
    let expected: Vec<String> = expected.chain(["urandom", "zero"].map(node)).collect();
    assert_eq!(lines, expected);
    // Without CAP_CHOWN it is the owner of a node that is made already, as of a /dev/tty that is the group tty's.
    let temp = TempDir::new();
    let own = format!(
        "mknod {0} c 5 0 && chown 0:5 {0} && mount --bind {0} /dev/tty && exec strace -qq -o /dev/null -e inject=fchownat:error=EPERM \"$@\"",
        temp.at("tty")
    );
    let args = ["run", "--user=root", "--devices=tty", "--", "/bin/sh", "-c", script];
    let finished = thinjail_through(["unshare", "--mount", "sh", "-c", &own, "sh"], args).run();
    let shown = finished.expect_code(0).stdout.lines().filter(|line| *line == node("tty")).count();
    assert_eq!(shown, 1, "{}", finished.stdout);
}
