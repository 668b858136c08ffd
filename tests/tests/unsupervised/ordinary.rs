//! The daemons that an ordinary user may run, with and without a supervisor, under the default filter and Landlock.
//!
//! Left out is sshd for sftp: without root it can become no other account and chroot no session, which is all that its profile
//! is for. Java without a supervisor is in the host's own tree, by Landlock alone: it asks /proc where it is. unbound and dnsmasq
//! have another port than 53, and php-fpm a pool of the user's own.

use std::path::Path;
use std::process::Command;

use thinjail_tests::client::{ask, listens};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::Running;
use thinjail_tests::process::Process;
use thinjail_tests::user::User;
use thinjail_tests::{need, skip};

use crate::daemons::{get, port};
use crate::landlock;
use crate::more::{JAVA, NODE, is_confined, java, nginx};

const WAYS: [&[&str]; 2] = [&["--proc=pid"], &["--no-supervisor", "--proc=none"]];
const BIN: &str = "/usr/lib/postgresql/15/bin";

/// A daemon, until it serves; its main process is confined and the user's.
#[track_caller]
fn serve(user: &User, flags: &[&str], words: &[&str], mut ready: impl FnMut() -> bool) -> Running {
    let mut jail = user.thinjail([&["run"], flags, &["--"], words].concat()).spawn();
    jail.wait_until(&format!("{} serves", words[0]), |_| ready().then_some(()));
    if flags.contains(&"--no-supervisor") {
        is_confined(&jail, Path::new(words[0]).file_name().unwrap().to_str().unwrap(), user.uid());
    }
    let all = Process::below(jail.pid());
    // Of one that has ended meanwhile, as a server's process for a client does, nothing is known.
    assert!(all.iter().filter_map(Process::uid).all(|uid| uid == user.uid()), "{all:?}");
    // Pid 1 is ours, and has no filter.
    let filtered = all.iter().filter(|process| process.field("Seccomp").as_deref() == Some("2"));
    assert!(flags.contains(&"--no-supervisor") || filtered.count() > 0, "{all:?}");
    jail
}

fn lacks() -> Result<(), skip::Lack> {
    if landlock() > 0 { Ok(()) } else { Err(skip::Lack::new("Landlock")) }
}

#[test]
fn resolvers_answer_as_an_ordinary_user() {
    need!(lacks());
    for program in ["unbound", "dnsmasq", "dig"] {
        need!(skip::program(program));
    }
    let _alone = alone();
    let user = need!(User::ordinary());
    let before = Snapshot::take(&[]);
    for way in WAYS {
        let number = port();
        let dig = |number: u16| {
            let port = number.to_string();
            ask(Path::new("dig"), &["@127.0.0.1", "-p", &port, "+short", "+time=5", "one.jail.test"])
        };
        let configuration = format!(
            "server:\n interface: 127.0.0.1\n port: {number}\n username: \"\"\n chroot: \"\"\n directory: \"/\"\n pidfile: \"\"\n \
             use-syslog: no\n local-zone: \"jail.test.\" static\n local-data: \"one.jail.test. A 192.0.2.1\"\nremote-control:\n control-enable: no\n"
        );
        let file = user.file("unbound.conf", &configuration).display().to_string();
        let read = format!("--read={file}");
        let flags = [way, &[read.as_str()]].concat();
        let jail = serve(&user, &flags, &["/usr/sbin/unbound", "-dd", "-p", "-c", &file], || listens(number));
        assert_eq!(dig(number), "192.0.2.1\n");
        jail.stop().expect_code(0);

        let number = port();
        let at = format!("--port={number}");
        let words = [
            "/usr/sbin/dnsmasq",
            "--keep-in-foreground",
            "--pid-file",
            "--user=",
            &at,
            "--listen-address=127.0.0.1",
            "--bind-interfaces",
            "--no-resolv",
            "--no-hosts",
            "--log-facility=-",
            "--conf-file=/dev/null",
            "--address=/one.jail.test/192.0.2.2",
        ];
        let jail = serve(&user, way, &words, || listens(number));
        assert_eq!(dig(number), "192.0.2.2\n");
        jail.stop().expect_code(0);
    }
    before.assert_same_now(&[]);
}

#[test]
fn programs_in_javascript_and_java_and_haproxy_before_them_serve_as_an_ordinary_user() {
    need!(lacks());
    for program in ["node", "haproxy", "curl"] {
        need!(skip::program(program));
    }
    need!(skip::path(format!("{JAVA}/bin/javac")));
    let _alone = alone();
    let user = need!(User::ordinary());
    let before = Snapshot::take(&[]);
    java(&user.home);
    let classes = user.home.at("classes");
    let app = user.dir("node").display().to_string();
    let script = user.file("node/server.js", NODE).display().to_string();
    for way in WAYS {
        let number = port();
        let text = number.to_string();
        let (runtime, read) = (format!("--runtime=node:{app}"), format!("--read={classes}"));
        let node = serve(&user, &[way, &[&runtime]].concat(), &["/usr/bin/node", &script, &text], || listens(number));
        assert_eq!(get(number), format!("node {}", user.uid()));

        let (front, behind) = (port(), number);
        let configuration = format!(
            "defaults\n    mode http\n    timeout client 5s\n    timeout connect 5s\n    timeout server 5s\nlisten both\n    bind 127.0.0.1:{front}\n    server node 127.0.0.1:{behind}\n"
        );
        let file = user.file("haproxy.cfg", &configuration).display().to_string();
        let haproxy = format!("--read={file}");
        let haproxy =
            serve(&user, &[way, &[&haproxy]].concat(), &["/usr/sbin/haproxy", "-db", "-f", &file], || listens(front));
        assert_eq!(get(front), format!("node {}", user.uid()));
        haproxy.stop();
        node.stop().expect_code(0);

        let number = port();
        let text = number.to_string();
        let program = format!("{JAVA}/bin/java");
        let words = [&program, "-XX:-UsePerfData", "-cp", &classes, "Main", &text];
        // Its libraries are found by /proc/self/exe.
        let way = if way.contains(&"--proc=none") { &["--no-supervisor", "--isolation=landlock"][..] } else { way };
        let java = serve(&user, &[way, &["--runtime=java", &read]].concat(), &words, || listens(number));
        assert!(get(number).starts_with("java "));
        java.stop().expect_code(143);
    }
    before.assert_same_now(&[]);
}

#[test]
fn postgresql_serves_a_cluster_of_an_ordinary_user() {
    need!(lacks());
    need!(skip::program(&format!("{BIN}/initdb")));
    let _alone = alone();
    let user = need!(User::ordinary());
    let before = Snapshot::take(&[]);
    let data = user.dir("data").display().to_string();
    let write = format!("--write={data}");
    let flags = [
        &write,
        "--programs=sh",
        "--devices=shm",
        "--read=/usr/share/postgresql/15",
        "--read=/usr/lib/postgresql/15/lib",
        "--read=/usr/share/zoneinfo",
    ];
    let cluster = format!("{data}/cluster");
    let (server, initdb) = (format!("{BIN}/postgres"), format!("{BIN}/initdb"));
    let more = format!("--programs={server}");
    let words = ["--", &initdb, "--auth=trust", "--no-sync", "--locale=C", "--username=tester", "-D", &cluster];
    user.thinjail([&["run", &more], &flags[..], &words].concat()).run().expect_code(0);
    for (round, way) in ["1", "2"].into_iter().zip(WAYS) {
        let number = port().to_string();
        let words = [
            &server,
            "-D",
            &cluster,
            "-p",
            &number,
            "-c",
            "unix_socket_directories=",
            "-c",
            "listen_addresses=127.0.0.1",
        ];
        let ready = || {
            let asked =
                Command::new(format!("{BIN}/pg_isready")).args(["-q", "-h", "127.0.0.1", "-p", &number]).status();
            asked.unwrap().success()
        };
        let jail = serve(&user, &[way, &flags[..]].concat(), &words, ready);
        let psql = |query: &str| {
            let place = ["-h", "127.0.0.1", "-p", &number, "-U", "tester", "-d", "postgres"];
            ask(
                Path::new("psql"),
                &[&["-X", "-q", "-A", "-t"], &place[..], &["-v", "ON_ERROR_STOP=1", "-c", query]].concat(),
            )
        };
        psql("create table if not exists kept (n int); insert into kept values (1)");
        assert_eq!(psql("select count(*) from kept").trim(), round);
        assert_eq!(psql("set force_parallel_mode = on; select count(*) > 100 from pg_class"), "t\n");
        jail.stop().expect_code(0);
    }
    before.assert_same_now(&[]);
}

#[test]
fn php_fpm_serves_nginx_as_an_ordinary_user() {
    need!(lacks());
    for program in ["php-fpm8.2", "nginx", "curl"] {
        need!(skip::program(program));
    }
    let _alone = alone();
    let user = need!(User::ordinary());
    let before = Snapshot::take(&[]);
    let data = user.dir("data").display().to_string();
    let site = user.file("index.php", "<?php echo 'php ', getmypid() > 1 ? 'served' : '';").display().to_string();
    let pool =
        format!("[global]\nerror_log = {data}/log\n[www]\nlisten = {data}/socket\npm = static\npm.max_children = 2\n");
    let pool = user.file("fpm.conf", &pool).display().to_string();
    let (write, reads) = (format!("--write={data}"), [format!("--read={pool}"), format!("--read={site}")]);
    for way in WAYS {
        let socket = Path::new(&data).join("socket");
        let flags = [way, &[&write, &reads[0], &reads[1]]].concat();
        let words = ["/usr/sbin/php-fpm8.2", "-n", "--nodaemonize", "--fpm-config", &pool];
        let fpm = serve(&user, &flags, &words, || std::os::unix::net::UnixStream::connect(&socket).is_ok());
        let number = port();
        let location = format!(
            "fastcgi_pass unix:{data}/socket; fastcgi_param SCRIPT_FILENAME {site}; fastcgi_param REQUEST_METHOD GET;"
        );
        let file = nginx(&user.home, number, &location);
        let read = format!("--read={file}");
        let flags = [way, &["--tmp", &write, &read]].concat();
        let web = serve(&user, &flags, &["/usr/sbin/nginx", "-c", &file, "-g", "daemon off;"], || listens(number));
        assert_eq!(get(number), "php served");
        web.stop().expect_code(0);
        fpm.stop().expect_code(0);
    }
    before.assert_same_now(&[]);
}
