//! nginx as Debian ships it: root that drops, the stock configuration, port 80.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use rustix::process::Signal;
use thinjail_tests::client::{ask, listens, port_free};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Running, send, thinjail};
use thinjail_tests::process::Process;
use thinjail_tests::restore::copy_as_it_is;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, profiles, skip, wait};

use super::{assert_filtered, pid_in, uid_of};

const PIDFILE: &str = "/run/nginx.pid";
const ACCESS_LOG: &str = "/var/log/nginx/access.log";

/// What a jail of nginx must leave as it was.
const TREES: [&str; 5] = ["/etc/nginx", "/usr/share/nginx", "/usr/lib/nginx", "/var/www", PIDFILE];

fn trees() -> Vec<&'static Path> {
    TREES.iter().map(Path::new).collect()
}

/// Waits until it serves and its pidfile is written.
fn serve(jail: &mut Running) -> Process {
    jail.wait_until("nginx serves port 80", |_| listens(80).then_some(()));
    let master = jail.wait_until("a pidfile with a pid of this host", |_| Process::of(pid_in(PIDFILE)?));
    jail.wait_until("a worker", |jail| jail.inside().into_iter().find(|process| process.parent == master.pid));
    master
}

#[test]
fn nginx_as_debian_ships_it_serves_logs_and_leaves_nothing() {
    need!(skip::namespaces());
    need!(skip::program("nginx"));
    let curl = need!(skip::program("curl"));
    let _alone = alone();
    need!(port_free(80));
    let before = Snapshot::take(&trees());
    let shipped = profiles::shipped();

    let mut jail = thinjail(["run", "nginx"]).profiles(&shipped.dir).spawn();
    let master = serve(&mut jail);

    // The page of Debian's default site, and the log of the host.
    let logged = fs::metadata(ACCESS_LOG).map_or(0, |log| log.len());
    let query = format!("thinjail-test-{}", std::process::id());
    let page = ask(&curl, &["-sS", "--fail", "--max-time", "10", &format!("http://127.0.0.1/?{query}")]);
    assert!(page.contains("Welcome to nginx"), "{page}");
    wait::until_true("the request in the host's access log", || {
        let mut new = String::new();
        let mut log = fs::File::open(ACCESS_LOG).unwrap();
        log.seek(SeekFrom::Start(logged)).unwrap();
        log.read_to_string(&mut new).unwrap();
        new.contains(&format!("GET /?{query} HTTP/1.1\" 200"))
    });

    // A pid of the host that is nginx's master; its workers have dropped.
    assert_eq!(master.exe().as_deref(), Some(Path::new("/usr/sbin/nginx")));
    assert_eq!(master.uid(), Some(0));
    assert_ne!(master.inner_pid(), Some(master.pid), "the pid inside is another one");
    let workers: Vec<_> = jail.inside().into_iter().filter(|process| process.parent == master.pid).collect();
    assert!(!workers.is_empty());
    for worker in &workers {
        assert_eq!(worker.uid(), Some(uid_of("www-data")), "{worker:?}");
        assert_eq!(worker.field("CapEff").as_deref(), Some("0000000000000000"));
    }

    assert_filtered(&jail);

    jail.stop().expect_code(0);
    assert!(!Path::new(PIDFILE).exists(), "the pidfile is gone");
    assert!(!listens(80));
    before.assert_same_now(&trees());
}

#[test]
fn nginx_picks_up_a_changed_configuration_after_hup() {
    need!(skip::namespaces());
    need!(skip::program("nginx"));
    let curl = need!(skip::program("curl"));
    let _alone = alone();
    need!(port_free(80));
    let before = Snapshot::take(&trees());
    let temp = TempDir::new();
    let etc = temp.path().join("etc-nginx");
    copy_as_it_is(Path::new("/etc/nginx"), &etc);
    let mount = format!("\n[[linux.mount]]\nsource = {:?}\ntarget = \"/etc/nginx\"\n", etc.display());
    let profile = profiles::replaced(profiles::NGINX, "\"/etc/nginx\", ", "") + &mount;
    let profiles = temp.profile("nginx", &profile);

    let mut jail = thinjail(["run", "nginx"]).profiles(&profiles).spawn();
    let master = serve(&mut jail);
    let said = || ask(&curl, &["-sS", "--max-time", "10", "-H", "Host: test", "http://127.0.0.1/"]);
    assert!(said().contains("Welcome to nginx"));
    let configure = |text: &str| {
        let server = format!("server {{ listen 80; server_name test; return 200 \"{text}\"; }}\n");
        fs::write(etc.join("conf.d/test.conf"), server).unwrap();
    };

    configure("by the supervisor");
    jail.signal(Signal::HUP);
    wait::until_true("the configuration changed before HUP to the supervisor", || said() == "by the supervisor");

    // What an administrator and logrotate do.
    configure("by the pidfile");
    send(pid_in(PIDFILE).unwrap(), Signal::HUP);
    wait::until_true("the configuration changed before HUP to the pid in the pidfile", || said() == "by the pidfile");

    // One that nginx would refuse never reaches it.
    fs::write(etc.join("conf.d/test.conf"), "server { listen 80; server_nam test; }\n").unwrap();
    jail.signal(Signal::HUP);
    jail.wait_until("the supervisor says why", |jail| {
        let said = jail.stderr();
        (said.contains("nginx is not reloaded") && said.contains("unknown directive \"server_nam\"")).then_some(())
    });
    assert_eq!(said(), "by the pidfile");

    assert!(master.runs(), "it is the same master");
    assert_filtered(&jail);
    jail.stop().expect_code(0);
    before.assert_same_now(&trees());
}

#[test]
fn nginx_reopens_its_log_after_usr1() {
    need!(skip::namespaces());
    need!(skip::program("nginx"));
    let _alone = alone();
    need!(port_free(80));
    let temp = TempDir::new();
    let logs = temp.dir("logs");
    let mount =
        format!("\n[[linux.mount]]\nsource = {:?}\ntarget = \"/var/log/nginx\"\nwrite = true\n", logs.display());
    let profile = profiles::replaced(profiles::NGINX, "\"/var/log/nginx\", ", "") + &mount;
    let profiles = temp.profile("nginx", &profile);

    let mut jail = thinjail(["run", "nginx"]).profiles(&profiles).spawn();
    let _ = serve(&mut jail);
    fs::rename(logs.join("access.log"), logs.join("access.log.1")).unwrap();
    jail.signal(Signal::USR1);
    wait::until_true("a new access log, as logrotate expects it", || logs.join("access.log").exists());
    assert_filtered(&jail);
    jail.stop().expect_code(0);
}
