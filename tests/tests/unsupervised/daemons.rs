//! Real daemons by the profiles that we ship, without a supervisor; and as an ordinary user.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use thinjail_tests::client::{ask, connect, listens, port_free};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Running, send, thinjail};
use thinjail_tests::process::Process;
use thinjail_tests::restore::Absent;
use thinjail_tests::temp::TempDir;
use thinjail_tests::user::User;
use thinjail_tests::wait::until_true;
use thinjail_tests::{need, profiles, skip};

use crate::{for_others, for_root, landlock};

/// What the main process is called, which is thinjail's own pid now.
fn name(jail: &Running) -> String {
    Process::of(jail.pid()).map(|process| process.name).unwrap_or_default()
}

pub(crate) fn get(port: u16) -> String {
    ask(Path::new("curl"), &["-sS", "--fail", "--max-time", "10", &format!("http://127.0.0.1:{port}/")])
}

/// By a shipped profile, until it serves a port.
fn serve(profile: &str, port: u16, daemon: &str) -> Running {
    let shipped = profiles::shipped();
    let mut jail = thinjail(["run", "--no-supervisor", profile]).profiles(&shipped.dir).spawn();
    jail.wait_until(&format!("{profile} serves port {port}"), |_| listens(port).then_some(()));
    assert_eq!(name(&jail), daemon);
    jail
}

#[test]
fn memcached_serves_under_the_pid_that_was_started() {
    need!(for_others());
    need!(skip::program("memcached"));
    let _alone = alone();
    need!(port_free(11211));
    let before = Snapshot::take(&[]);
    let jail = serve("memcached", 11211, "memcached");
    let mut stream = connect(11211).unwrap();
    std::io::Write::write_all(&mut stream, b"set key 0 0 5\r\nvalue\r\nget key\r\nquit\r\n").unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut stream, &mut said).unwrap();
    assert_eq!(said, "STORED\r\nVALUE key 0 5\r\nvalue\r\nEND\r\n");
    jail.stop().expect_code(0);
    before.assert_same_now(&[]);
}

#[test]
fn nginx_as_root_that_drops_serves_reloads_and_ends_with_its_workers() {
    need!(for_root());
    for program in ["nginx", "curl"] {
        need!(skip::program(program));
    }
    let _alone = alone();
    need!(port_free(80));
    let trees = ["/etc/nginx", "/usr/share/nginx", "/run/nginx.pid"].map(Path::new);
    let before = Snapshot::take(&trees);
    let mut jail = serve("nginx", 80, "nginx");
    assert!(get(80).contains("Welcome to nginx"));
    let workers = jail.wait_until("workers", |jail| Some(Process::below(jail.pid())).filter(|all| !all.is_empty()));
    assert!(workers.iter().all(|worker| worker.uid() == Some(33)), "{workers:?}");
    // The master signals its workers, which are another user, by then without CAP_KILL: they are the same jail's.
    jail.signal(Signal::HUP);
    jail.wait_until("new workers", |_| workers.iter().all(|worker| !worker.runs()).then_some(()));
    assert!(get(80).contains("Welcome to nginx"));
    jail.stop().expect_code(0);
    assert!(!listens(80));
    before.assert_same_now(&trees);
}

#[test]
fn haproxy_as_root_that_drops_serves_and_ends() {
    need!(for_root());
    for program in ["haproxy", "curl"] {
        need!(skip::program(program));
    }
    let _alone = alone();
    need!(port_free(8180));
    let _socket = Absent::new("/run/haproxy");
    let temp = TempDir::new();
    let configuration = "global\n    user haproxy\n    group haproxy\n    chroot /var/lib/haproxy\ndefaults\n    mode http\n    timeout client 5s\n    timeout connect 5s\n    timeout server 5s\nfrontend test\n    bind 127.0.0.1:8180\n    http-request return status 200 content-type text/plain string balanced\n";
    let file = temp.file("haproxy.cfg", configuration).display().to_string();
    let profile = profiles::replaced(profiles::HAPROXY, "/etc/haproxy/haproxy.cfg -p", &format!("{file} -p"));
    let profiles = temp.profile("haproxy", &profiles::replaced(&profile, "\"/etc/haproxy\"", &format!("{file:?}")));
    let mut jail = thinjail(["run", "--no-supervisor", "haproxy"]).profiles(&profiles).spawn();
    jail.wait_until("haproxy serves port 8180", |_| listens(8180).then_some(()));
    assert_eq!(name(&jail), "haproxy");
    assert_eq!(get(8180), "balanced");
    let workers = Process::below(jail.pid());
    assert_eq!(workers.len(), 1, "{workers:?}");
    assert_eq!(workers[0].field("CapEff").as_deref(), Some("0000000000000000"));
    // The master executes itself anew when all is loaded, and a signal that comes before that is lost. A second one while its
    // worker is leaving would kill that.
    let master = Process::of(jail.pid()).unwrap();
    let mut looks = 0;
    until_true("its end", || {
        if looks % 200 == 0 && master.runs() {
            send(master.pid, Signal::USR1);
        }
        looks += 1;
        !master.runs()
    });
    jail.finish().expect_code(0);
    assert!(!workers[0].runs() && !listens(8180));
}

/// A port that is free a moment later.
pub(crate) fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn redis_nginx_and_memcached_serve_as_an_ordinary_user_with_and_without_a_supervisor() {
    if landlock() == 0 {
        skip!("this kernel has no Landlock");
    }
    for program in ["redis-server", "nginx", "memcached", "curl"] {
        need!(skip::program(program));
    }
    let cli = need!(skip::program("redis-cli"));
    let _alone = alone();
    let user = need!(User::ordinary());
    let before = Snapshot::take(&[]);
    let data = user.dir("data").display().to_string();
    let write = format!("--write={data}");
    for flags in [&["--proc=pid"][..], &["--no-supervisor", "--proc=none"]] {
        let alone = flags.len() > 1;
        let run = |port: u16, words: &[&str]| {
            let mut jail = user.thinjail([&["run", &write], flags, &["--"], words].concat()).spawn();
            jail.wait_until(&format!("{} serves port {port}", words[0]), |_| listens(port).then_some(()));
            let main = Process::of(jail.pid()).unwrap();
            assert_eq!(main.exe().is_some_and(|exe| exe.ends_with("thinjail")), !alone);
            let all = Process::below(jail.pid());
            for process in if alone { vec![main] } else { all } {
                assert_eq!(process.uid(), Some(user.uid()), "{process:?}");
            }
            jail
        };
        let number = port();
        let text = number.to_string();
        let words =
            ["/usr/bin/redis-server", "--port", &text, "--bind", "127.0.0.1", "--dir", &data, "--daemonize", "no"];
        let jail = run(number, &words);
        let redis = |words: &[&str]| ask(&cli, &[&["-h", "127.0.0.1", "-p", &text], words].concat());
        assert_eq!(redis(&["set", "key", "value"]), "OK\n");
        assert_eq!(redis(&["save"]), "OK\n");
        jail.stop().expect_code(0);
        assert!(fs::metadata(format!("{data}/dump.rdb")).unwrap().len() > 0);

        let number = port();
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {data}/{name}; "))
            .concat();
        let configuration = format!(
            "pid {data}/pid; error_log stderr; worker_processes 2; events {{ }}
            http {{ access_log off; {paths} server {{ listen 127.0.0.1:{number}; return 200 'served by nobody'; }} }}"
        );
        let file = user.file("data/nginx.conf", &configuration).display().to_string();
        let jail = run(number, &["/usr/sbin/nginx", "-c", &file, "-g", "daemon off;"]);
        assert_eq!(get(number), "served by nobody");
        jail.stop().expect_code(0);

        let number = port();
        let text = number.to_string();
        let jail = run(number, &["/usr/bin/memcached", "--listen=127.0.0.1", "--port", &text]);
        let mut stream = connect(number).unwrap();
        std::io::Write::write_all(&mut stream, b"version\r\nquit\r\n").unwrap();
        let mut said = String::new();
        std::io::Read::read_to_string(&mut stream, &mut said).unwrap();
        assert!(said.starts_with("VERSION "), "{said}");
        jail.stop().expect_code(0);
    }
    before.assert_same_now(&[]);
}
