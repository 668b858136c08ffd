//! Web servers and what stands behind them: jails that meet on sockets and ports.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use thinjail_tests::client::{ask, listens, port_free};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Running, thinjail};
use thinjail_tests::process::Process;
use thinjail_tests::restore::{Absent, copy_as_it_is};
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, profiles, skip, wait};

use super::{assert_filtered, pid_in, uid_of};

fn get(port: u16) -> String {
    ask(Path::new("curl"), &["-sS", "--fail", "--max-time", "10", &format!("http://127.0.0.1:{port}/")])
}

/// nginx by the shipped profile with one more server and what else of the host it needs; it also serves port 80.
fn nginx(temp: &TempDir, server: &str, mounts: &[(&str, &str)]) -> Running {
    let etc = temp.path().join("etc-nginx");
    copy_as_it_is(Path::new("/etc/nginx"), &etc);
    fs::write(etc.join("conf.d/test.conf"), server).unwrap();
    let etc = etc.display().to_string();
    let mut profile = profiles::replaced(profiles::NGINX, "\"/etc/nginx\", ", "");
    for (source, target) in [&[(etc.as_str(), "/etc/nginx")], mounts].concat() {
        profile += &format!("\n[[linux.mount]]\nsource = {source:?}\ntarget = {target:?}\n");
    }
    let profiles = temp.profile("nginx", &profile);
    let mut jail = thinjail(["run", "nginx"]).profiles(&profiles).spawn();
    jail.wait_until("nginx serves port 80", |_| listens(80).then_some(()));
    jail
}

#[test]
fn php_fpm_as_debian_ships_it_serves_nginx() {
    need!(skip::namespaces());
    for program in ["php-fpm8.2", "nginx", "curl"] {
        need!(skip::program(program));
    }
    let _alone = alone();
    need!(port_free(80));
    need!(port_free(8181));
    let _made = ["/run/php-fpm", "/var/log/php-fpm"].map(Absent::new);
    let trees = [Path::new("/run/php-fpm.pid"), Path::new("/run/php"), Path::new("/etc/php")];
    let before = Snapshot::take(&trees);
    let temp = TempDir::new();
    let site = temp.dir("site").display().to_string();
    let php = "<?php session_start(); $_SESSION['n'] = 1; echo posix_getpwuid(posix_getuid())['name'], ' ', \
               extension_loaded('sockets') ? 'sockets' : '', ' ', new DateTimeZone('Europe/Paris') ? 'zones' : '', ' ', \
               session_destroy() ? 'session' : '', ' ', is_writable('/tmp') ? 'tmp' : '', ' ', file_exists('/bin') ? 'bin' : '';";
    temp.file("site/index.php", php);
    let mount = format!("\n[[linux.mount]]\nsource = {site:?}\ntarget = \"/srv/site\"\n");
    let profiles = temp.profile("php-fpm", &(profiles::PHP_FPM.to_owned() + &mount));

    let mut fpm = thinjail(["run", "php-fpm"]).profiles(&profiles).spawn();
    let socket = Path::new("/run/php-fpm/php8.2-fpm.sock");
    fpm.wait_until("the socket of php-fpm", |_| socket.exists().then_some(()));
    let master = fpm.wait_until("a pidfile with a pid of this host", |_| Process::of(pid_in("/run/php-fpm.pid")?));
    let server = "server { listen 127.0.0.1:8181; location / { include fastcgi_params; \
                  fastcgi_param SCRIPT_FILENAME /srv/site/index.php; fastcgi_pass unix:/run/php/php8.2-fpm.sock; } }";
    let nginx = nginx(&temp, server, &[("/run/php-fpm", "/run/php")]);
    assert_eq!(get(8181), "www-data sockets zones session tmp ");
    let workers: Vec<_> = fpm.inside().into_iter().filter(|process| process.parent == master.pid).collect();
    assert!(!workers.is_empty() && workers.iter().all(|worker| worker.uid() == Some(uid_of("www-data"))));

    // A reload, which is another signal to it: it executes itself anew, with other workers.
    fpm.signal(Signal::HUP);
    wait::until_true("new workers", || workers.iter().all(|worker| !worker.runs()));
    wait::until_true("an answer of theirs", || socket.exists() && get(8181).starts_with("www-data"));
    assert!(master.runs(), "it is the same master");

    assert_filtered(&nginx);

    nginx.stop().expect_code(0);
    assert_filtered(&fpm);
    fpm.stop().expect_code(0);
    assert!(fs::read_to_string("/var/log/php-fpm/php8.2-fpm.log").unwrap().contains("ready to handle connections"));
    before.assert_same_now(&trees);
}

/// A program in Python on a socket that its jail shares with another.
fn wsgi(temp: &TempDir) -> Running {
    let app = temp.dir("app").display().to_string();
    let run = temp.dir("run");
    chown(&run, Some(uid_of("www-data")), None).unwrap();
    ask(
        Path::new("/usr/bin/python3"),
        &["-m", "venv", "--system-site-packages", "--without-pip", &format!("{app}/venv")],
    );
    let program = "import os, sqlite3, ssl\ndef application(environ, start):\n    start('200 OK', [])\n    \
                   return [f'wsgi {os.getuid()} {sqlite3.connect(\":memory:\").execute(\"select 6 * 7\").fetchone()[0]}'.encode()]\n";
    temp.file("app/wsgi.py", program);
    let profile = profiles::replaced(profiles::WSGI, "/srv/app", &app);
    let profile = profiles::replaced(&profile, "/run/app", &run.display().to_string());
    let profiles = temp.profile("wsgi", &profile);
    let mut jail = thinjail(["run", "wsgi"]).profiles(&profiles).spawn();
    jail.wait_until("the socket of gunicorn", |_| run.join("socket").exists().then_some(()));
    jail
}

/// A program in Node.js on port 8183.
fn node(temp: &TempDir) -> Running {
    let program = "require('http').createServer((request, response) => response.end(`node ${process.getuid()} \
                   ${process.env.NODE_ENV}`)).listen(8183, '127.0.0.1'); process.on('SIGTERM', () => process.exit(0));";
    temp.dir("node");
    temp.file("node/server.js", program);
    let profiles = temp.profile("node", &profiles::replaced(profiles::NODE, "/srv/app", &temp.at("node")));
    let mut jail = thinjail(["run", "node"]).profiles(&profiles).spawn();
    jail.wait_until("node serves port 8183", |_| listens(8183).then_some(()));
    jail
}

#[test]
fn haproxy_as_debian_ships_it_balances_python_behind_nginx_and_node() {
    need!(skip::namespaces());
    for program in ["haproxy", "nginx", "gunicorn", "node", "curl"] {
        need!(skip::program(program));
    }
    let _alone = alone();
    for port in [80, 8180, 8182, 8183] {
        need!(port_free(port));
    }
    let _socket = Absent::new("/run/haproxy/admin.sock");
    let trees =
        ["/run/haproxy.pid", "/run/wsgi.pid", "/run/node.pid", "/etc/haproxy", "/var/lib/haproxy"].map(Path::new);
    let before = Snapshot::take(&trees);
    let temp = TempDir::new();

    let wsgi = wsgi(&temp);
    let run = temp.at("run");
    let server = format!("server {{ listen 127.0.0.1:8182; location / {{ proxy_pass http://unix:{run}/socket; }} }}");
    let nginx = nginx(&temp, &server, &[(&run, &run)]);
    let node = node(&temp);
    let www = uid_of("www-data");
    let (python, javascript) = (format!("wsgi {www} 42"), format!("node {www} production"));
    assert_eq!((get(8182), get(8183)), (python.clone(), javascript.clone()));

    let etc = temp.path().join("haproxy");
    copy_as_it_is(Path::new("/etc/haproxy"), &etc);
    let stock = fs::read_to_string(etc.join("haproxy.cfg")).unwrap();
    let both = "\nlisten both\n    bind 127.0.0.1:8180\n    balance roundrobin\n    server wsgi 127.0.0.1:8182\n    server node 127.0.0.1:8183\n";
    fs::write(etc.join("haproxy.cfg"), stock + both).unwrap();
    let profile = profiles::replaced(profiles::HAPROXY, "\"/etc/haproxy\", ", "");
    let mount = format!("\n[[linux.mount]]\nsource = {etc:?}\ntarget = \"/etc/haproxy\"\n");
    let profiles = temp.profile("haproxy", &(profile + &mount));
    let mut haproxy = thinjail(["run", "haproxy"]).profiles(&profiles).spawn();
    haproxy.wait_until("haproxy serves port 8180", |_| listens(8180).then_some(()));
    let mut answers = [get(8180), get(8180)];
    answers.sort();
    assert_eq!(answers, [javascript, python]);

    let master = haproxy.wait_until("a pidfile with a pid of this host", |_| Process::of(pid_in("/run/haproxy.pid")?));
    let worker = |jail: &Running| jail.inside().into_iter().find(|process| process.parent == master.pid);
    let first = worker(&haproxy).unwrap();
    assert_eq!((first.uid(), first.field("CapEff").as_deref()), (Some(uid_of("haproxy")), Some("0000000000000000")));
    // A reload: the master executes itself, and tells the old worker to end.
    // It loses one that comes before it waits for signals, jailed or not, though its worker serves by then.
    haproxy.wait_until("the master's reload", |jail| {
        jail.signal(Signal::USR2);
        wait::poll(Duration::from_secs(2), || jail.stderr().contains("Reloading HAProxy").then_some(()))
    });
    wait::until_true("the old worker's end", || !first.runs());
    // The new master tells it before it has its own signals in place: one that comes in between is lost, jailed or not.
    haproxy.wait_until("the master's word on its old worker", |jail| {
        jail.stderr().contains("Former worker").then_some(())
    });
    assert!(get(8180).contains(&www.to_string()) && master.runs());

    assert_filtered(&haproxy);

    haproxy.stop().expect_code(0);
    assert_filtered(&node);
    node.stop().expect_code(0);
    assert_filtered(&nginx);
    nginx.stop().expect_code(0);
    assert_filtered(&wsgi);
    wsgi.stop().expect_code(0);
    before.assert_same_now(&trees);
}
