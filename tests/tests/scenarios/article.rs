//! The article, step by step, where its steps mean the same on both systems.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::thread;

use thinjail_tests::client::connect;
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::thinjail;
use thinjail_tests::skip::Lack;
use thinjail_tests::temp::{TempDir, chmod};
use thinjail_tests::{binary, need, skip, tiny};

use crate::sh;

/// A static program that echoes.
fn static_echo(temp: &TempDir) -> Result<Vec<String>, Lack> {
    if cfg!(target_os = "linux") {
        return skip::path("/usr/bin/busybox").map(|_| vec!["/usr/bin/busybox".into(), "echo".into()]);
    }
    tiny::program(temp, "echo").map(|path| vec![path.display().to_string()])
}

#[test]
fn a_static_program_says_hello() {
    need!(skip::jails());
    let temp = TempDir::new();
    let echo = need!(static_echo(&temp));
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let hello = thinjail(["run", "--"]).args(echo).args(["Hello", "from", "jail"]).run();
    assert_eq!(hello.expect_code(0).stdout, "Hello from jail\n");
    assert_eq!(hello.stderr, "");
    before.assert_same_now(&[]);
}

#[test]
fn a_dynamic_program_brings_its_loader_and_libraries() {
    need!(skip::jails());
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let hello = thinjail(["run", "/bin/echo", "Hello", "from", "jail"]).run();
    assert_eq!(hello.expect_code(0).stdout, "Hello from jail\n");
    assert_eq!(hello.stderr, "");
    before.assert_same_now(&[]);
}

#[test]
fn a_missing_library_is_named_before_anything_starts() {
    need!(skip::jails());
    let _alone = alone();
    let temp = TempDir::new();
    // The name of its library is overwritten by another of the same length, which no system has.
    let (libc, gone) = if cfg!(target_os = "linux") { ("libc.so.6", "libQ.so.6") } else { ("libc.so.7", "libQ.so.7") };
    let mut echo = fs::read("/bin/echo").unwrap();
    let places: Vec<usize> =
        (0..echo.len() - libc.len()).filter(|at| echo[*at..].starts_with(libc.as_bytes())).collect();
    assert!(!places.is_empty(), "/bin/echo does not need {libc}");
    for at in places {
        echo[at..at + gone.len()].copy_from_slice(gone.as_bytes());
    }
    let program = temp.program("echo", echo);
    let before = Snapshot::take(&[temp.path()]);
    let refused = thinjail(["run", "--"]).args([&program]).args(["Hello"]).run();
    refused.expect_code(125).expect_stderr(&[gone, "help:"]);
    assert_eq!(refused.stdout, "");
    before.assert_same_now(&[temp.path()]);
}

#[test]
fn the_devices_are_few_and_work() {
    need!(skip::jails());
    let _alone = alone();
    let listed = thinjail(["run", "--", "/bin/ls", "/dev"]).run();
    let names = listed.expect_code(0).stdout.split_whitespace();
    // The terminals of FreeBSD's ruleset for jails, which not every kernel has.
    let names: Vec<_> = names.filter(|name| !["ptmx", "pts"].contains(name)).collect();
    let more = if cfg!(target_os = "linux") { "full" } else { "" };
    let expected = ["fd", more, "null", "random", "stderr", "stdin", "stdout", "urandom", "zero"];
    assert_eq!(names, expected.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>());
    let script = "
        for device in null random urandom zero; do test -c /dev/$device || exit 1; done
        echo discarded >/dev/null || exit 2
        read -r line </dev/null && exit 3
        echo by a link >/dev/stdout
    ";
    assert_eq!(sh(&["--user", "root"], script).expect_code(0).stdout, "by a link\n");
}

#[test]
fn a_directory_of_the_host_is_read_only_unless_write_is_said() {
    need!(skip::jails());
    let _alone = alone();
    let temp = TempDir::new();
    let outside = temp.dir("not_in_jail");
    temp.file("not_in_jail/page", "of the host\n");
    let before = Snapshot::take(&[temp.path()]);
    let mount = format!("{}:/in_jail", outside.display());
    let read = thinjail(["run", "--mount", &mount, "--", "/bin/cat", "/in_jail/page"]).run();
    assert_eq!(read.expect_code(0).stdout, "of the host\n");
    let write = sh(&["--user", "root", "--mount", &mount], "echo no >/in_jail/page");
    assert_ne!(write.code(), Some(0));
    assert_ne!(write.code(), Some(125), "{}", write.stderr);
    before.assert_same_now(&[temp.path()]);

    let write = format!("{mount}:write");
    sh(&["--user", "root", "--mount", &write], "echo of the jail >/in_jail/new && echo more >>/in_jail/page")
        .expect_code(0);
    assert_eq!(fs::read_to_string(outside.join("new")).unwrap(), "of the jail\n");
    assert_eq!(fs::read_to_string(outside.join("page")).unwrap(), "of the host\nmore\n");
    assert_ne!(sh(&[], "test -e /in_jail").code(), Some(0), "nothing of it stays for the next jail");
}

#[test]
fn a_single_file_of_the_host_is_there_alone_and_read_only() {
    need!(skip::jails());
    let _alone = alone();
    let temp = TempDir::new();
    let file = temp.file("file", "of the host\n");
    temp.file("beside", "not asked for\n");
    let before = Snapshot::take(&[temp.path()]);
    let mount = format!("{}:/srv/conf", file.display());
    let read = sh(&["--mount", &mount], "read -r line </srv/conf && echo \"$line\" && echo /srv/*");
    assert_eq!(read.expect_code(0).stdout, "of the host\n/srv/conf\n");
    // Root of the jail may change a copy at most.
    let _ = sh(&["--user", "root", "--mount", &mount], "echo no >/srv/conf");
    assert_eq!(fs::read_to_string(&file).unwrap(), "of the host\n");
    before.assert_same_now(&[temp.path()]);
}

#[test]
fn another_user_is_that_user_inside_and_to_the_host() {
    need!(skip::jails());
    let id = need!(skip::program("id")).display().to_string();
    let _alone = alone();
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let name = if cfg!(target_os = "linux") { "daemon" } else { "operator" };
    let line = passwd.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
    let ids: Vec<u32> = line.split(':').skip(2).take(2).map(|id| id.parse().unwrap()).collect();
    let said = thinjail(["run", "--user", name, "--", &id]).run();
    let expected = format!("uid={}({name}) gid={}(", ids[0], ids[1]);
    assert!(said.expect_code(0).stdout.starts_with(&expected), "{}", said.stdout);
    let known = thinjail(["run", "--user", name, "--etc", "passwd", "--", "/bin/cat", "/etc/passwd"]).run();
    let names: Vec<&str> = known
        .expect_code(0)
        .stdout
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|l| l.split(':').next())
        .collect();
    assert_eq!(names, [name], "no other name is known inside");

    let temp = TempDir::new();
    let own = temp.dir("own");
    std::os::unix::fs::chown(&own, Some(ids[0]), Some(ids[1])).unwrap();
    chmod(&own, 0o700);
    let own_text = own.display().to_string();
    sh(&["--user", name, "--write", &own_text], &format!(": >{own_text}/file")).expect_code(0);
    let made = fs::metadata(own.join("file")).unwrap();
    assert_eq!((made.uid(), made.permissions().mode() & 0o7000), (ids[0], 0));
    std::os::unix::fs::chown(&own, Some(0), Some(0)).unwrap();
    let refused = sh(&["--user", name, "--write", &own_text], &format!(": >{own_text}/other"));
    assert_ne!(refused.code(), Some(0), "the host's permissions hold");
    assert!(!own.join("other").exists());
}

#[test]
fn a_program_runs_as_nobody_unless_it_is_said() {
    need!(skip::jails());
    let id = need!(skip::program("id")).display().to_string();
    let _alone = alone();
    let said = thinjail(["run", "--", &id, "-un"]).run();
    assert_eq!(said.expect_code(0).stdout, "nobody\n");
    let root = thinjail(["run", "--user", "root", "--", &id, "-u"]).run();
    assert_eq!(root.expect_code(0).stdout, "0\n");
}

#[test]
fn the_network_is_the_hosts_unless_none_is_said() {
    need!(skip::jails());
    let _alone = alone();
    let inmate = binary::inmate();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"Hello from the host\n").unwrap();
        listener
    });
    let inherited = thinjail(["run", "--", &inmate, "connect", &port]).run();
    assert_eq!(inherited.expect_code(0).stdout, "Hello from the host\n");
    let listener = served.join().unwrap();
    let none = thinjail(["run", "--network", "none", "--", &inmate, "connect", &port]).run();
    assert!(none.code() != Some(0) && none.code() != Some(125), "{none:?}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody came");
}

#[test]
fn a_jail_with_the_hosts_network_takes_connections() {
    need!(skip::jails());
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let serve = ["run".to_owned(), "--".into(), binary::inmate(), "serve".into(), port.to_string(), "Hello\n".into()];
    let mut jail = thinjail(serve).spawn();
    let mut stream = jail.wait_until("the jail listens", |_| connect(port));
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(said, "Hello\n");
    drop(stream);
    jail.stop();
    // A jail of FreeBSD is dying while a connection that it has closed is in TIME_WAIT.
    before.assert_same_within(std::time::Duration::from_secs(90), &[]);
}
