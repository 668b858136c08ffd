//! `listen`: sockets that are opened before privileges go, in the hands of real daemons.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::process::Signal;
use thinjail_tests::client::{ask, listens, port_free};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Running, send, thinjail};
use thinjail_tests::temp::TempDir;
use thinjail_tests::user::User;
use thinjail_tests::{need, skip, wait};

const PERL: &str = "/usr/bin/perl";
/// Says which sockets it has, and then answers each connection to the first of them.
const SERVER: &str = "$|=1;print qq($ENV{LISTEN_FDS} $ENV{LISTEN_FDNAMES} ),$ENV{LISTEN_PID}==$$?qq(mine):qq(not mine),qq(\\n);\
    open S,q(+<&=3);while(accept C,S){syswrite C,qq(served\\n);close C}";

fn get(url: &str) -> String {
    ask(Path::new("curl"), &["-sS", "--fail", "--max-time", "20", url])
}

/// A program in Python, which takes its sockets as gunicorn does; with these keys more.
fn gunicorn(temp: &TempDir, keys: &str) -> Running {
    let app = temp.dir("app").display().to_string();
    let venv = format!("{app}/venv");
    ask(Path::new("/usr/bin/python3"), &["-m", "venv", "--system-site-packages", "--without-pip", &venv]);
    temp.file("app/wsgi.py", "import os\ndef application(environ, start):\n    start('200 OK', [])\n    return [f'{os.getuid()}'.encode()]\n");
    let profile = format!(
        "command = \"{venv}/bin/python -m gunicorn --workers 1 --chdir {app} wsgi:application\"\n\
         runtime = \"python:{venv}\"\ntmp = true\nuser = \"www-data\"\nread = [{app:?}]\n{keys}\n"
    );
    let profiles = temp.profile("listener", &profile);
    thinjail(["run", "listener"]).profiles(&profiles).spawn()
}

#[test]
fn a_daemon_without_capabilities_serves_port_80_and_keeps_it_while_it_is_started_again() {
    need!(skip::namespaces());
    for program in ["gunicorn", "nginx", "curl"] {
        need!(skip::program(program));
    }
    let _alone = alone();
    need!(port_free(80));
    let path = format!("/run/thinjail-listen-{}.sock", std::process::id());
    let before = Snapshot::take(&[path.as_ref()]);
    let temp = TempDir::new();
    let keys = format!("listen = [\"80\", {path:?}]\nrestart = \"always\"\nrestart-delay = \"1s\"");
    let mut jail = gunicorn(&temp, &keys);
    jail.wait_until("it serves", |jail| jail.stderr().contains("Booting worker").then_some(()));
    assert_eq!(get("http://127.0.0.1/"), "33");
    let all = jail.executing("/usr/bin/python3.11");
    assert!(all.len() >= 2, "{all:?}");
    for process in &all {
        assert_eq!((process.uid(), process.field("CapEff").as_deref()), (Some(33), Some("0000000000000000")));
    }
    let file = fs::metadata(&path).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!((file.uid(), file.gid(), file.mode() & 0o777), (33, 33, 0o660));

    // Another jail goes to the same daemon by the file.
    let configuration = format!(
        "pid /tmp/pid; error_log stderr; events {{ }} http {{ access_log off; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; \
         fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s; \
         server {{ listen 127.0.0.1:8184; location / {{ proxy_pass http://unix:{path}; }} }} }}"
    );
    let file = temp.file("nginx.conf", &configuration).display().to_string();
    let nginx = ["run", "--user", "www-data", "--tmp", "--read", &file, "--read", &path, "--"];
    let mut nginx = thinjail(nginx).args(["/usr/sbin/nginx", "-c", &file, "-g", "daemon off;"]).spawn();
    nginx.wait_until("nginx serves", |_| listens(8184).then_some(()));
    assert_eq!(get("http://127.0.0.1:8184/"), "33");

    // Who comes while nobody is there waits for the next one.
    all.iter().for_each(|process| send(process.pid, Signal::KILL));
    jail.wait_until("its end", |jail| jail.stderr().contains("started again in 1 s").then_some(()));
    assert!(jail.executing("/usr/bin/python3.11").is_empty());
    assert_eq!(get("http://127.0.0.1/"), "33");
    assert_eq!(get("http://127.0.0.1:8184/"), "33");
    nginx.stop().expect_code(0);
    jail.stop();
    assert!(!listens(80));
    before.assert_same_now(&[path.as_ref()]);
}

#[test]
fn the_program_has_each_socket_by_its_name_without_a_supervisor_too() {
    need!(skip::namespaces());
    let _alone = alone();
    let path = format!("/run/thinjail-listen-{}.sock", std::process::id());
    let before = Snapshot::take(&[path.as_ref()]);
    for flags in [&["--network=none"][..], &["--isolation=landlock"], &["--no-supervisor"]] {
        let (tcp, udp) = ports();
        let wanted = [format!("web=127.0.0.1:{tcp}"), format!("udp:127.0.0.1:{udp}"), path.clone()];
        let listen: Vec<String> = wanted.iter().map(|one| format!("--listen={one}")).collect();
        let words = [PERL, "-e", SERVER];
        let mut jail =
            thinjail(["run", "--user", "www-data"]).args(flags).args(&listen).args(["--"]).args(words).spawn();
        jail.wait_for_stdout("3 web:perl:perl mine");
        assert!(UdpSocket::bind(("127.0.0.1", udp)).is_err());
        let mut said = String::new();
        std::io::Read::read_to_string(&mut thinjail_tests::client::connect(tcp).unwrap(), &mut said).unwrap();
        assert_eq!(said, "served\n", "{flags:?}");
        jail.stop();
        // Without a supervisor nobody is left to remove it; the next start does.
        assert_eq!(Path::new(&path).exists(), flags == ["--no-supervisor"]);
    }
    fs::remove_file(&path).unwrap();
    before.assert_same_now(&[path.as_ref()]);
}

fn ports() -> (u16, u16) {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    (tcp, UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port())
}

#[test]
fn what_can_not_be_bound_is_told_before_anything_is_made() {
    need!(skip::namespaces());
    let _alone = alone();
    let temp = TempDir::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|at| (at, taken)).unwrap();
    let name = format!("thinjail-listen-refused-{}", std::process::id());
    let (path, run) = (format!("/run/{name}.sock"), format!("/run/{name}"));
    let trees = [Path::new(&path), Path::new(&run)];
    let refused = |address: &str, parts: &[&str]| {
        let before = Snapshot::take(&trees);
        let words = ["run", "--user", "www-data", "--run-dir", &name, "--listen", address, "--", PERL, "-e", "1"];
        thinjail(words).run().expect_code(125).expect_stderr(parts);
        before.assert_same_now(&trees);
    };
    refused(
        &taken.0.to_string(),
        &["listen on tcp 127.0.0.1:", "Address already in use", "help: end what listens there"],
    );
    refused("192.0.2.1:80", &["listen on tcp 192.0.2.1:80", "help: write the address of an interface"]);
    let live = UnixListener::bind(&path).unwrap();
    refused(&path, &["somebody listens there"]);
    // Also where nobody is accepted, and the next one would wait for ever: the one who has just asked is still in the queue.
    rustix::net::listen(&live, 0).unwrap();
    refused(&path, &["somebody listens there"]);
    drop(live);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "mine").unwrap();
    refused(&path, &["a file that is no socket stands there", "help: remove"]);
    fs::remove_file(&path).unwrap();
    // Another user's directory: what is put there could be another file by the time it is given away.
    let theirs = temp.dir("theirs");
    std::os::unix::fs::chown(&theirs, Some(33), Some(33)).unwrap();
    refused(&format!("{}/s", theirs.display()), &["others than root may write in", "no link on the way"]);
}

#[test]
fn a_socket_that_a_killed_supervisor_has_left_is_replaced() {
    need!(skip::namespaces());
    let _alone = alone();
    let path = format!("/run/thinjail-listen-{}.sock", std::process::id());
    let before = Snapshot::take(&[path.as_ref()]);
    let temp = TempDir::new();
    let profile = format!("command = ['{PERL}', '-e', '{SERVER}']\nuser = \"www-data\"\nlisten = [{path:?}]\n");
    let profiles = temp.profile("listener", &profile);
    let start = || {
        let mut jail = thinjail(["run", "listener"]).profiles(&profiles).spawn();
        jail.wait_for_stdout("1 listener mine");
        jail
    };
    let first = start();
    send(first.pid(), Signal::KILL);
    first.finish();
    assert!(Path::new(&path).exists());
    // The jail ends soon after its supervisor, not with it.
    wait::until_true("nobody listens", || UnixStream::connect(&path).is_err());
    start().stop();
    assert!(!Path::new(&path).exists());
    let again = start();
    send(again.pid(), Signal::KILL);
    again.finish();
    thinjail(["clean", "listener"]).run().expect_code(0);
    before.assert_same_now(&[path.as_ref()]);
}

#[test]
fn an_ordinary_user_has_the_ports_that_are_free_to_all() {
    let _alone = alone();
    let user = need!(User::ordinary());
    let from: u16 =
        fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap().trim().parse().unwrap();
    let (port, _) = ports();
    for flags in [&[][..], &["--no-supervisor", "--proc=none"]] {
        let listen = format!("--listen={port}");
        let words = [&["run", &listen], flags, &["--", PERL, "-e", SERVER]].concat();
        let mut jail = user.thinjail(words).spawn();
        jail.wait_for_stdout("mine");
        assert!(listens(port));
        jail.stop();
    }
    if from <= 81 {
        skip!("every port is free to all here");
    }
    let refused = user.thinjail(["run", "--listen", "81", "--", PERL, "-e", "1"]).run();
    refused.expect_code(125).expect_stderr(&["listen on tcp port 81", "ip_unprivileged_port_start=81"]);
}

#[test]
fn a_port_alone_is_that_of_both_families_and_an_address_that_of_its_own() {
    need!(skip::namespaces());
    let _alone = alone();
    if TcpListener::bind("[::1]:0").is_err() {
        skip!("no IPv6 here");
    }
    for (written, four, six) in [("PORT", true, true), ("[::]:PORT", false, true), ("0.0.0.0:PORT", true, false)] {
        let port = ports().0;
        let listen = format!("--listen={}", written.replace("PORT", &port.to_string()));
        let mut jail = thinjail(["run", "--user", "www-data", &listen, "--", PERL, "-e", SERVER]).spawn();
        jail.wait_for_stdout("mine");
        let reached = ["127.0.0.1", "::1"].map(|host| std::net::TcpStream::connect((host, port)).is_ok());
        assert_eq!(reached, [four, six], "{written}");
        jail.stop();
    }
}
