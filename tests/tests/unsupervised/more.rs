//! The other daemons that we ship a profile for, each without a supervisor under the default filter and Landlock, asked by its real
//! client.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use rustix::process::Signal;
use thinjail_tests::client::{ask, listens, port_free};
use thinjail_tests::host::alone;
use thinjail_tests::jail::{Running, thinjail};
use thinjail_tests::process::Process;
use thinjail_tests::restore::{Absent, unbound_anchor};
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, profiles, skip, wait};

use crate::daemons::{get, port};
use crate::{for_others, for_root};

/// By a profile of this text, without a supervisor.
fn run(temp: &TempDir, name: &str, profile: &str) -> Running {
    thinjail(["run", "--no-supervisor", name]).profiles(&temp.profile(name, profile)).spawn()
}

/// The pid that was started is the daemon, as this user, and has the filter and no way to new privileges.
#[track_caller]
pub(crate) fn is_confined(jail: &Running, name: &str, user: u32) {
    let main = Process::of(jail.pid()).unwrap();
    let field = |name: &str| main.field(name).unwrap_or_default();
    assert_eq!((main.name.as_str(), main.uid()), (name, Some(user)));
    assert_eq!((field("Seccomp").as_str(), field("NoNewPrivs").as_str()), ("2", "1"));
}

fn uid(name: &str) -> u32 {
    ask(Path::new("id"), &["-u", name]).trim().parse().unwrap()
}

#[test]
fn postgresql_serves_debian_s_cluster() {
    need!(for_others());
    need!(skip::path("/var/lib/postgresql/15/main"));
    let _alone = alone();
    need!(port_free(5432));
    let _run = Absent::new("/run/postgresql");
    let temp = TempDir::new();
    let mut jail = run(&temp, "postgresql", profiles::POSTGRESQL);
    let psql = |query: &str| {
        let words =
            ["--reuid=postgres", "--regid=postgres", "--init-groups", "psql", "-X", "-q", "-A", "-t", "-c", query];
        ask(Path::new("setpriv"), &words)
    };
    jail.wait_until("it takes connections", |jail| jail.stderr().contains("ready to accept connections").then_some(()));
    is_confined(&jail, "postgres", uid("postgres"));
    assert_eq!(psql("select 6 * 7"), "42\n");
    let parallel = "set force_parallel_mode = on; select count(*) > 100 from pg_class";
    assert_eq!(psql(parallel), "t\n");
    jail.signal(Signal::INT);
    jail.finish().expect_code(0);
}

#[test]
fn unbound_and_dnsmasq_answer_on_port_53() {
    need!(for_others());
    for program in ["unbound", "dnsmasq", "dig"] {
        need!(skip::program(program));
    }
    let _alone = alone();
    need!(port_free(53));
    let _anchor = need!(unbound_anchor());
    let temp = TempDir::new();
    for (name, profile) in [("unbound", profiles::UNBOUND), ("dnsmasq", profiles::DNSMASQ)] {
        let mut jail = run(&temp, name, profile);
        jail.wait_until("it serves port 53", |_| listens(53).then_some(()));
        is_confined(&jail, name, uid(name));
        let said = ask(Path::new("dig"), &["@127.0.0.1", "+short", "+time=5", "version.bind", "chaos", "txt"]);
        assert!(said.starts_with(&format!("\"{name}")), "{said}");
        jail.stop().expect_code(0);
        assert!(!listens(53));
    }
}

#[test]
fn php_fpm_as_root_that_drops_serves_nginx() {
    need!(for_root());
    for program in ["php-fpm8.2", "nginx", "curl"] {
        need!(skip::program(program));
    }
    let _alone = alone();
    let _made = ["/run/php-fpm", "/var/log/php-fpm"].map(Absent::new);
    let temp = TempDir::new();
    let site = temp.dir("site").display().to_string();
    temp.file("site/index.php", "<?php session_start(); echo posix_getuid(), ' ', session_destroy() ? 'session' : '';");
    let mount = format!("\n[[linux.mount]]\nsource = {site:?}\ntarget = \"/srv/site\"\n");
    let mut fpm = run(&temp, "php-fpm", &(profiles::PHP_FPM.to_owned() + &mount));
    let socket = Path::new("/run/php-fpm/php8.2-fpm.sock");
    fpm.wait_until("the socket of php-fpm", |_| socket.exists().then_some(()));
    is_confined(&fpm, "php-fpm8.2", 0);
    let port = port();
    let nginx = nginx(
        &temp,
        port,
        "fastcgi_pass unix:/run/php-fpm/php8.2-fpm.sock; fastcgi_param SCRIPT_FILENAME /srv/site/index.php; fastcgi_param REQUEST_METHOD GET;",
    );
    let mut nginx = thinjail([
        "run",
        "--user=www-data",
        "--tmp",
        "--no-supervisor",
        "--read=/run/php-fpm",
        &format!("--read={nginx}"),
        "--",
    ])
    .args(["/usr/sbin/nginx", "-c", &nginx, "-g", "daemon off;"])
    .spawn();
    nginx.wait_until("nginx serves", |_| listens(port).then_some(()));
    assert_eq!(get(port), "33 session");
    let workers = Process::below(fpm.pid());
    assert!(!workers.is_empty() && workers.iter().all(|worker| worker.uid() == Some(33)), "{workers:?}");
    nginx.stop().expect_code(0);
    fpm.signal(Signal::QUIT);
    fpm.finish().expect_code(0);
    assert!(workers.iter().all(|worker| !worker.runs()));
}

/// Writes a configuration for nginx that keeps all it makes in /tmp, with one location.
pub(crate) fn nginx(temp: &TempDir, port: u16, location: &str) -> String {
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path /tmp/{name}; "))
        .concat();
    let text = format!(
        "pid /tmp/pid; error_log stderr; events {{ }} http {{ access_log off; {paths} \
         server {{ listen 127.0.0.1:{port}; location / {{ {location} }} }} }}"
    );
    temp.file("nginx.conf", &text).display().to_string()
}

/// A server in Java by its class file, in this directory.
pub(crate) fn java(temp: &TempDir) {
    let text = "import com.sun.net.httpserver.*; import java.net.*; public class Main { public static void main(String[] args) throws Exception { \
                var server = HttpServer.create(new InetSocketAddress(\"127.0.0.1\", Integer.parseInt(args[0])), 0); \
                server.createContext(\"/\", exchange -> { var answer = (\"java \" + System.getProperty(\"user.name\")).getBytes(); \
                exchange.sendResponseHeaders(200, answer.length); exchange.getResponseBody().write(answer); exchange.close(); }); server.start(); } }";
    let source = temp.file("Main.java", text);
    ask(Path::new(&format!("{JAVA}/bin/javac")), &["-nowarn", "-d", &temp.at("classes"), source.to_str().unwrap()]);
}

pub(crate) const JAVA: &str = "/usr/lib/jvm/java-17-openjdk-amd64";

pub(crate) const NODE: &str = "require('http').createServer((request, response) => response.end(`node ${process.getuid()}`))\
    .listen(Number(process.argv[2]), '127.0.0.1'); process.on('SIGTERM', () => process.exit(0));";

#[test]
fn programs_in_javascript_and_java_serve() {
    need!(for_others());
    for program in ["node", "curl"] {
        need!(skip::program(program));
    }
    need!(skip::path(format!("{JAVA}/bin/javac")));
    let _alone = alone();
    let temp = TempDir::new();
    temp.dir("node");
    temp.file("node/server.js", NODE);
    let number = port();
    let profile = profiles::replaced(profiles::NODE, "server.js\"", &format!("server.js {number}\""));
    let mut node = run(&temp, "node", &profiles::replaced(&profile, "/srv/app", &temp.at("node")));
    node.wait_until("node serves", |_| listens(number).then_some(()));
    is_confined(&node, "node", 33);
    assert_eq!(get(number), "node 33");
    node.stop().expect_code(0);

    java(&temp);
    let number = port();
    let command = format!("{JAVA}/bin/java -cp {} Main {number}", temp.at("classes"));
    let profile = profiles::replaced(profiles::JAVA, "/usr/bin/java -jar /srv/app/app.jar", &command);
    let mut java = run(&temp, "java", &profiles::replaced(&profile, "/srv/app", &temp.at("classes")));
    java.wait_until("the server in Java", |_| listens(number).then_some(()));
    is_confined(&java, "java", 33);
    assert_eq!(get(number), "java www-data");
    java.stop().expect_code(143);
}

#[test]
fn sshd_serves_sftp_to_another_account() {
    need!(for_root());
    for program in ["sshd", "sftp", "ssh-keygen"] {
        need!(skip::program(program));
    }
    let _alone = alone();
    let _run = Absent::new("/run/sshd");
    let temp = TempDir::new();
    let (files, keys, key, number) = (temp.dir("sftp/games"), temp.dir("keys"), temp.at("key"), port().to_string());
    chown(&files, Some(uid("games")), None).unwrap();
    ask(Path::new("ssh-keygen"), &["-q", "-t", "ed25519", "-N", "", "-f", &key]);
    fs::copy(format!("{key}.pub"), keys.join("games")).unwrap();
    let profile = profiles::replaced(profiles::SFTP, "users = [\"sshd\"]", "users = [\"sshd\", \"games\"]");
    let profile = profiles::replaced(&profile, "/srv/sftp", &temp.at("sftp"));
    let profile = profiles::replaced(&profile, "/etc/ssh/authorized_keys/%u", &format!("{}/%u", keys.display()));
    let profile =
        profiles::replaced(&profile, "sshd -D -e ", &format!("sshd -D -e -p {number} -o ListenAddress=127.0.0.1 "));
    let profile = profiles::replaced(&profile, "read = [\"/etc/ssh\"]", &format!("read = [\"/etc/ssh\", {keys:?}]"));
    let mut jail = run(&temp, "sftp", &profile);
    jail.wait_until("sshd serves", |_| listens(number.parse().unwrap()).then_some(()));
    is_confined(&jail, "sshd", 0);
    let local = temp.file("local", "hello sftp\n");
    let batch = temp.file("batch", format!("put {} games/there\nls games\n", local.display()));
    let known = format!("UserKnownHostsFile={}", temp.at("known"));
    let words =
        ["-i", &key, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", &known, "-P", &number, "-b"];
    let listed = ask(Path::new("sftp"), &[&words[..], &[batch.to_str().unwrap(), "games@127.0.0.1"]].concat());
    assert!(listed.contains("there"), "{listed}");
    assert_eq!(fs::read_to_string(files.join("there")).unwrap(), "hello sftp\n");
    let master = Process::of(jail.pid()).unwrap();
    wait::until_true("the session's end", || Process::below(master.pid).is_empty());
    jail.stop();
    assert!(!master.runs());
}
