//! The article that thinjail was written for, "Jailing programs started from RC scripts", step by step.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::process::Command;
use std::thread;

use thinjail_plan::plan::Plan;
use thinjail_plan::step::Step;
use thinjail_tests::client::connect;
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Finished, thinjail};
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip};

const BUSYBOX: &str = "/usr/bin/busybox";

/// `thinjail run FLAGS busybox WORDS`: a static program, so nothing but what the flags say is inside.
fn busybox(flags: &[&str], words: &[&str]) -> Finished {
    thinjail(["run"]).args(flags).args([BUSYBOX]).args(words).run()
}

/// The files of the host that would be inside beside those of /etc, and the time zone that one of them leads to.
fn files(plan: &Plan) -> Vec<&str> {
    let bound = plan.inside.iter().filter_map(|planned| match &planned.step {
        Step::Bind { at, .. } if !["/etc/", "/usr/share/zoneinfo/"].iter().any(|dir| at.as_str().starts_with(dir)) => {
            Some(at.as_str())
        }
        _ => None,
    });
    bound.collect()
}

#[test]
fn a_static_program_says_hello_and_is_alone_in_its_jail() {
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let hello = busybox(&[], &["echo", "Hello", "from", "jail"]);
    hello.expect_code(0);
    assert_eq!(hello.stdout, "Hello from jail\n");
    assert_eq!(hello.stderr, "");
    assert_eq!(files(&thinjail(["plan", "--json", BUSYBOX]).plan()), [BUSYBOX]);
    before.assert_same_now(&[]);
}

#[test]
fn a_dynamic_program_brings_its_loader_and_libraries_at_their_own_paths() {
    need!(skip::namespaces());
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let hello = thinjail(["run", "/bin/echo", "Hello", "from", "jail"]).run();
    hello.expect_code(0);
    assert_eq!(hello.stdout, "Hello from jail\n");
    assert_eq!(hello.stderr, "");
    let plan = thinjail(["plan", "--json", "/bin/echo"]).plan();
    let names: Vec<_> = files(&plan).iter().filter_map(|path| path.rsplit('/').next()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names.contains(&"echo") && names.contains(&"libc.so.6"), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("ld-linux")), "{names:?}");
    before.assert_same_now(&[]);
}

#[test]
fn a_missing_library_is_named_before_anything_starts() {
    need!(skip::namespaces());
    let gcc = need!(skip::program("gcc"));
    let _alone = alone();
    let temp = TempDir::new();
    temp.file("gone.c", "int gone(void) { return 0; }\n");
    // It would leave a trace if it ran.
    temp.file("program.c", "#include <stdio.h>\nint gone(void);\nint main(void) { puts(\"ran\"); return gone(); }\n");
    let compile = |args: &[&str]| {
        let compiled = Command::new(&gcc).current_dir(temp.path()).args(args).status().unwrap();
        assert!(compiled.success(), "gcc {args:?}");
    };
    compile(&["-shared", "-fPIC", "-Wl,-soname,libgone.so.1", "-o", "libgone.so.1", "gone.c"]);
    let rpath = format!("-Wl,-rpath,{}", temp.path().display());
    compile(&["-o", "program", "program.c", "./libgone.so.1", &rpath]);
    let program = temp.at("program");
    let with = thinjail(["run", &program]).run();
    assert_eq!(with.expect_code(0).stdout, "ran\n");

    fs::remove_file(temp.path().join("libgone.so.1")).unwrap();
    let before = Snapshot::take(&[temp.path()]);
    let without = thinjail(["run", &program]).run();
    without.expect_code(125).expect_stderr(&["libgone.so.1", &program, "help:"]);
    assert_eq!(without.stdout, "");
    before.assert_same_now(&[temp.path()]);
}

#[test]
fn dev_holds_five_devices_and_four_links_and_they_work() {
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    let _alone = alone();
    let listed = busybox(&[], &["ls", "/dev"]);
    let names: Vec<_> = listed.expect_code(0).stdout.split_whitespace().collect();
    assert_eq!(names, ["fd", "full", "null", "random", "stderr", "stdin", "stdout", "urandom", "zero"]);
    let script = "
        set -e
        for device in full null random urandom zero; do test -c /dev/$device; done
        for link in fd stdin stdout stderr; do test -L /dev/$link; done
        test $(head -c 16 /dev/random | wc -c) = 16
        test $(head -c 16 /dev/zero | tr -d '\\0' | wc -c) = 0
        echo discarded > /dev/null
        if echo full 2> /dev/null > /dev/full; then exit 3; fi
        echo by a link > /dev/stdout
    ";
    // As root: /dev/stdout opens the file behind it anew, which is ours.
    assert_eq!(busybox(&["--user", "root"], &["sh", "-c", script]).expect_code(0).stdout, "by a link\n");
    let made = busybox(&["--user", "root", "--tmp"], &["mknod", "/tmp/disk", "b", "8", "0"]);
    assert_ne!(made.code(), Some(0), "no device but these");
}

#[test]
fn a_directory_of_the_host_is_read_only_unless_write_is_said() {
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    let _alone = alone();
    let temp = TempDir::new();
    let outside = temp.dir("not_in_jail");
    temp.file("not_in_jail/page", "of the host\n");
    let source = outside.to_str().unwrap();
    let before = Snapshot::take(&[temp.path()]);

    let mount = format!("{source}:/in_jail");
    let read = busybox(&["--mount", &mount], &["cat", "/in_jail/page"]);
    assert_eq!(read.expect_code(0).stdout, "of the host\n");
    let write = busybox(&["--user", "root", "--mount", &mount], &["touch", "/in_jail/new"]);
    assert_ne!(write.code(), Some(0));
    write.expect_stderr(&["Read-only file system"]);
    let same_place = busybox(&["--read", source], &["cat", &format!("{source}/page")]);
    assert_eq!(same_place.expect_code(0).stdout, "of the host\n");
    before.assert_same_now(&[temp.path()]);

    let script = "echo of the jail > /in_jail/new && echo more >> /in_jail/page";
    busybox(&["--user", "root", "--mount", &format!("{mount}:write")], &["sh", "-c", script]).expect_code(0);
    assert_eq!(fs::read_to_string(outside.join("new")).unwrap(), "of the jail\n");
    assert_eq!(fs::read_to_string(outside.join("page")).unwrap(), "of the host\nmore\n");
    busybox(&["--user", "root", "--write", source], &["rm", &format!("{source}/new")]).expect_code(0);
    assert!(!outside.join("new").exists());
    assert!(busybox(&[], &["ls", "/in_jail"]).code() != Some(0), "nothing of it stays for the next jail");
}

#[test]
fn a_single_file_of_the_host_is_read_only_unless_write_is_said() {
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    let _alone = alone();
    let temp = TempDir::new();
    let file = temp.file("file", "of the host\n");
    temp.file("beside", "not asked for\n");
    let mount = format!("{}:/etc/app/conf", file.display());

    let read = busybox(&["--mount", &mount], &["cat", "/etc/app/conf"]);
    assert_eq!(read.expect_code(0).stdout, "of the host\n");
    assert_eq!(busybox(&["--mount", &mount], &["ls", "/etc/app"]).stdout, "conf\n");
    let write = busybox(&["--user", "root", "--mount", &mount], &["sh", "-c", "echo no > /etc/app/conf"]);
    assert_ne!(write.code(), Some(0));
    assert_eq!(fs::read_to_string(&file).unwrap(), "of the host\n");
    let script = ["sh", "-c", "echo of the jail > /etc/app/conf"];
    busybox(&["--user", "root", "--mount", &format!("{mount}:write")], &script).expect_code(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "of the jail\n");
}

#[test]
fn of_the_usual_files_there_are_those_that_the_program_asks_for() {
    need!(skip::namespaces());
    let _alone = alone();
    let etc = |program: &str| {
        let paths = thinjail(["plan", "--json", program]).plan().paths().into_keys();
        let names: Vec<_> = paths.filter_map(|path| path.as_str().strip_prefix("/etc/").map(String::from)).collect();
        names
    };
    assert_eq!(etc("/bin/true"), ["ld.so.cache"]);
    assert_eq!(etc("/usr/bin/whoami"), ["group", "ld.so.cache", "nsswitch.conf", "passwd"]);
    assert!(etc("/bin/date").contains(&"localtime".into()) && !etc("/bin/date").contains(&"hosts".into()));
    for command in [&["/bin/date", "+%Z", "-d@0"][..], &["/usr/bin/getent", "services", "http"]] {
        let outside = Command::new(command[0]).args(&command[1..]).env_clear().output().unwrap();
        let inside = thinjail(["run"]).args(command).run();
        assert_eq!(inside.expect_code(0).stdout.as_bytes(), outside.stdout, "{command:?}");
    }
}

#[test]
fn another_user_is_that_user_inside_and_to_the_host() {
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    let _alone = alone();
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with("www-data:")).unwrap();
    let ids: Vec<u32> = line.split(':').skip(2).take(2).map(|id| id.parse().unwrap()).collect();
    let (uid, gid) = (ids[0], ids[1]);

    let id = busybox(&["--user", "www-data"], &["id"]);
    let said = id.expect_code(0).stdout.as_str();
    assert!(said.starts_with(&format!("uid={uid}(www-data) gid={gid}(www-data)")), "{said}");
    let known = busybox(&["--user", "www-data"], &["cut", "-d:", "-f1", "/etc/passwd", "/etc/group"]);
    assert_eq!(known.expect_code(0).stdout, "www-data\nwww-data\n", "and no other name is known inside");
    let nobody = busybox(&[], &["id", "-un"]);
    assert_eq!(nobody.expect_code(0).stdout, "nobody\n", "what is not asked to be somebody is nobody");

    let temp = TempDir::new();
    let own = temp.dir("own");
    chown(&own, Some(uid), Some(gid)).unwrap();
    let own = own.to_str().unwrap();
    busybox(&["--user", "www-data", "--write", own], &["touch", &format!("{own}/file")]).expect_code(0);
    let made = fs::metadata(Path::new(own).join("file")).unwrap();
    assert_eq!((made.uid(), made.gid()), (uid, gid));
    chown(own, Some(0), Some(0)).unwrap();
    let refused = busybox(&["--user", "www-data", "--write", own], &["touch", &format!("{own}/other")]);
    assert_ne!(refused.code(), Some(0), "the host's permissions hold");
}

#[test]
fn the_network_is_the_hosts_unless_none_is_said() {
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    let _alone = alone();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let asks = ["nc", "-w", "5", "127.0.0.1", &port.to_string()].map(String::from);
    let asks: Vec<&str> = asks.iter().map(String::as_str).collect();

    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"Hello from the host\n").unwrap();
        listener
    });
    let inherited = busybox(&[], &asks);
    assert_eq!(inherited.expect_code(0).stdout, "Hello from the host\n");

    let listener = served.join().unwrap();
    let none = busybox(&["--network", "none"], &asks);
    assert_ne!(none.code(), Some(0));
    assert_eq!(none.stdout, "");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody came");
}

#[test]
fn a_jail_with_the_hosts_network_takes_connections() {
    need!(skip::namespaces());
    need!(skip::path(BUSYBOX));
    let _alone = alone();
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let script = format!("echo Hello from jail | nc -l -p {port}");
    let mut jail = thinjail(["run", BUSYBOX, "sh", "-c", &script]).spawn();
    let mut stream = jail.wait_until("the jail listens", |_| connect(port));
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(said, "Hello from jail\n");
    drop(stream);
    jail.finish().expect_code(0);
}
