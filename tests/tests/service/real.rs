//! The same with real daemons: those that fork, say that they are ready, replace their binary.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use thinjail_tests::host::alone;
use thinjail_tests::process::Process;
use thinjail_tests::{need, skip, wait};

use crate::jail::Jail;

/// What a daemon answers that listens to a socket in the file system; empty if it does not.
fn ask(socket: &Path, question: &[u8]) -> String {
    let mut answer = [0; 4096];
    let mut count = 0;
    if let Ok(mut stream) = UnixStream::connect(socket) {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(question).unwrap();
        // One that keeps the connection says all of it at once.
        while let Ok(more) = stream.read(&mut answer[count..]) {
            count += more;
            if more == 0 || question.starts_with(b"PING") {
                break;
            }
        }
    }
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

#[test]
fn redis_says_that_it_is_ready_as_under_systemd() {
    need!(skip::namespaces());
    let redis = "/usr/bin/redis-server";
    need!(skip::program(redis));
    let _alone = alone();
    let command =
        format!("{redis} --supervised systemd --port 0 --unixsocket DATA/redis.sock --dir DATA --save \\\"\\\"");
    let jail = Jail::new("redis", &format!("command = \"{command}\"\nuser = \"nobody\"\ntype = \"notify\"\n"));
    fs::set_permissions(jail.data(""), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let before = jail.snapshot();
    jail.ask("start").expect_code(0);
    assert_eq!(jail.status()["stage"], "running");
    // At once: it was ready when start came back.
    assert_eq!(ask(&jail.data("redis.sock"), b"PING\r\n"), "+PONG\r\n");
    assert_eq!(jail.status()["status"], "Ready to accept connections");
    jail.ask("stop").expect_code(0);
    jail.assert_as(&before);
}

const NGINX: &str = "/usr/sbin/nginx";

/// nginx, as a daemon or not.
fn nginx(what: &str, daemon: &str, keys: &str) -> Jail {
    let jail = Jail::new(what, "");
    let conf = format!(
        "daemon {daemon};\nuser www-data;\nworker_processes 1;\npid DATA/nginx.pid;\nerror_log DATA/error.log;\n\
         events {{}}\nhttp {{ access_log off; server {{ listen unix:DATA/web.sock; location / {{ return 200 hello; }} }} \
         client_body_temp_path DATA/a; proxy_temp_path DATA/b; fastcgi_temp_path DATA/c; uwsgi_temp_path DATA/d; scgi_temp_path DATA/e; }}\n"
    );
    jail.temp.file("nginx.conf", conf.replace("DATA", &jail.temp.at("data")));
    let conf = jail.temp.at("nginx.conf");
    let pids = jail.temp.dir("pids");
    jail.write(&format!(
        "command = \"{NGINX} -c {conf} -e DATA/error.log\"\nread = [\"{conf}\"]\ncapabilities = \"drop-user\"\nusers = [\"www-data\"]\n\
         daemon-pidfile = \"DATA/nginx.pid\"\npidfile = \"{}/x.pid\"\nstop-signal = \"QUIT\"\n{keys}",
        pids.display()
    ));
    jail
}

fn answers(jail: &Jail) -> bool {
    ask(&jail.data("web.sock"), b"GET / HTTP/1.0\r\n\r\n").ends_with("hello")
}

#[test]
fn nginx_goes_into_the_background_and_is_known_by_its_pidfile() {
    need!(skip::namespaces());
    need!(skip::program(NGINX));
    let _alone = alone();
    let jail = nginx("nginx", "on", "type = \"forking\"\n");
    let before = jail.snapshot();
    jail.ask("start").expect_code(0);
    assert!(answers(&jail));
    let main = Process::of(jail.number("pid")).unwrap();
    let inner: i32 = fs::read_to_string(jail.data("nginx.pid")).unwrap().trim().parse().unwrap();
    assert_eq!(main.inner_pid(), Some(inner));
    assert_eq!(fs::read_to_string(jail.temp.path().join("pids/x.pid")).unwrap(), format!("{}\n", main.pid));
    jail.ask("stop").expect_code(0);
    jail.assert_as(&before);
}

#[test]
fn nginx_that_replaces_its_binary_stays_one_jail() {
    need!(skip::namespaces());
    need!(skip::program(NGINX));
    let _alone = alone();
    // With `daemon off` it ignores the signal.
    {
        let jail = nginx("upgrade", "on", "type = \"forking\"\n");
        let before = jail.snapshot();
        jail.ask("start").expect_code(0);
        wait::until_true("it answers", || jail.data("web.sock").exists() && answers(&jail));
        let old = jail.number("pid");
        let inner = || fs::read_to_string(jail.data("nginx.pid")).unwrap_or_default();
        let first = inner();
        jail.send("supervisor", Signal::USR2);
        // Asked once a look: between two of them the first one's file goes away.
        let second = |pid: String| !pid.is_empty() && pid != first;
        wait::until_true("a second master has written its pid", || second(inner()));
        // To the old one itself: to the supervisor it would mean the end of the jail.
        thinjail_tests::jail::send(old, Signal::QUIT);
        // For a moment there is none.
        let another = || jail.status()["pid"].as_i64().is_some_and(|pid| pid != i64::from(old));
        wait::until_true("the second one is the main process", another);
        let new = Process::of(jail.number("pid")).unwrap();
        assert_eq!(format!("{}\n", new.inner_pid().unwrap()), inner());
        assert_eq!(fs::read_to_string(jail.temp.path().join("pids/x.pid")).unwrap(), format!("{}\n", new.pid));
        assert!(answers(&jail));
        let log = fs::read_to_string(format!("/var/log/thinjail/{}.log", jail.name)).unwrap();
        assert!(log.contains(&format!("thinjail: the main process is {} from now on", new.pid)), "{log}");
        assert_eq!(jail.number("restarts"), 0);
        jail.ask("stop").expect_code(0);
        assert!(!new.runs());
        jail.assert_as(&before);
    }
}

/// A server in JavaScript, which writes a line for each SIGHUP if it `hears`.
fn node(what: &str, hears: bool, keys: &str) -> Jail {
    let jail = Jail::new(what, "");
    let hup =
        if hears { "process.on('SIGHUP', () => require('fs').appendFileSync('DATA/heard', 'hup\\n'));" } else { "" };
    let server = "require('http').createServer((_, answer) => answer.end('hello')).listen('DATA/web.sock');";
    jail.temp.file("server.js", format!("{hup}{server}").replace("DATA", &jail.temp.at("data")));
    let app = jail.temp.at("server.js");
    jail.write(&format!("command = [\"/usr/bin/node\", {app:?}]\nread = [{app:?}]\nruntime = \"node\"\n{keys}"));
    jail
}

#[test]
fn node_that_does_nothing_about_hup_is_ended_by_a_reload_that_says_so() {
    need!(skip::namespaces());
    need!(skip::program("/usr/bin/node"));
    let _alone = alone();
    let jail = node("deaf", false, "");
    let before = jail.snapshot();
    jail.ask("start").expect_code(0);
    wait::until_true("it answers", || answers(&jail));
    jail.ask("reload").expect_code(1).expect_stderr(&[
        "ended when it was sent HUP",
        "reload-signal",
        "thinjail restart",
    ]);
    jail.ask("status").expect_code(3);
    fs::remove_file(jail.data("web.sock")).unwrap();
    jail.assert_as(&before);

    let jail = node("hears", true, "");
    jail.ask("start").expect_code(0);
    wait::until_true("it answers", || answers(&jail));
    let main = jail.number("pid");
    jail.ask("reload").expect_code(0);
    wait::until_true("it has heard", || fs::read_to_string(jail.data("heard")).is_ok_and(|heard| heard == "hup\n"));
    assert!(answers(&jail) && jail.number("pid") == main);
}
