//! The base system's daemons, jailed, served and asked over the loopback or their socket. One that this base lacks is not
//! counted as passed: the test says what was missing.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use thinjail_tests::client::{connect, port_free};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Running, thinjail};
use thinjail_tests::skip::program;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip, wait};

/// A datagram to a port of the loopback and what comes back, or none.
pub(crate) fn ask(port: u16, question: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    socket.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    socket.send_to(question, (Ipv4Addr::LOCALHOST, port)).ok()?;
    let mut answer = vec![0; 4096];
    let count = socket.recv(&mut answer).ok()?;
    answer.truncate(count);
    Some(answer)
}

/// What time is it? Version 4, a client's question.
pub(crate) fn time_question() -> [u8; 48] {
    let mut question = [0; 48];
    question[0] = 0x23;
    question
}

/// Where is here.jail.test? Number, flags (recursion desired), one question: A IN.
pub(crate) fn name_question() -> Vec<u8> {
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in ["here", "jail", "test", ""] {
        question.push(u8::try_from(label.len()).unwrap());
        question.extend(label.as_bytes());
    }
    question.extend([0, 1, 0, 1]);
    question
}

/// Runs a daemon, by flags and its own words.
fn serve(flags: &[&str], words: &[&str]) -> Running {
    thinjail(["run", "--user", "root"]).args(flags).args(["--"]).args(words).spawn()
}

#[test]
fn syslogd_writes_down_what_it_is_told() {
    need!(skip::root());
    let syslogd = need!(program("syslogd")).display().to_string();
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let temp = TempDir::new();
    let (conf, run, log) = (temp.file("conf", ""), temp.dir("run"), temp.dir("log"));
    fs::write(&conf, format!("*.*\t{}/all\n", log.display())).unwrap();
    temp.file("log/all", "");
    let socket = run.join("log").display().to_string();
    let words = [
        &syslogd,
        "-F",
        "-ss",
        "-f",
        &temp.at("conf"),
        "-p",
        &socket,
        "-S",
        &temp.at("run/logpriv"),
        "-P",
        &temp.at("run/pid"),
    ];
    let flags = ["--read", &temp.at("conf"), "--write", &temp.at("run"), "--write", &temp.at("log")];
    let mut jail = serve(&flags, &words);
    let client = UnixDatagram::unbound().unwrap();
    jail.wait_until("syslogd takes messages", |_| client.send_to(b"<13>asked: from the host", &socket).ok());
    wait::until_true("the message is written down", || {
        fs::read_to_string(log.join("all")).unwrap().contains("asked: from the host")
    });
    jail.stop();
    before.assert_same_now(&[]);
}

#[test]
fn inetd_answers_by_itself_and_by_a_program() {
    need!(skip::root());
    let inetd = need!(program("inetd")).display().to_string();
    let services = fs::read_to_string("/etc/services").unwrap_or_default();
    if !services.lines().any(|line| line.starts_with("daytime")) {
        skip!("/etc/services does not know daytime");
    }
    need!(skip::path("/etc/netconfig"));
    need!(skip::path("/etc/login.conf"));
    need!(port_free(13));
    need!(port_free(7));
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let temp = TempDir::new();
    temp.file("conf", "daytime stream tcp nowait root internal\necho stream tcp nowait root /bin/cat cat\n");
    let words = [&inetd, "-d", "-a", "127.0.0.1", "-p", &temp.at("run/pid"), &temp.at("conf")];
    temp.dir("run");
    let flags = [
        "--read",
        &temp.at("conf"),
        "--write",
        &temp.at("run"),
        "--programs",
        "/bin/cat",
        "--read",
        "/etc/netconfig",
        // The class `daemon`, in which it starts services.
        "--read",
        "/etc/login.conf",
        "--etc",
        "passwd,group,services,hosts",
    ];
    let mut jail = serve(&flags, &words);
    let mut stream = jail.wait_until("inetd listens", |_| connect(13));
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.contains(':') && said.contains("20"), "{said:?}");
    let mut echo = connect(7).unwrap();
    echo.write_all(b"Hello\n").unwrap();
    echo.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = String::new();
    echo.read_to_string(&mut said).unwrap();
    assert_eq!(said, "Hello\n");
    drop((stream, echo));
    jail.stop();
    // inetd closes first: twice net.inet.tcp.msl.
    before.assert_same_within(Duration::from_secs(90), &[]);
}

#[test]
fn nscd_takes_connections_and_outlives_nonsense() {
    need!(skip::root());
    let nscd = need!(program("nscd")).display().to_string();
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let temp = TempDir::new();
    temp.dir("run");
    temp.file("conf", "enable-cache passwd yes\n");
    let run = format!("{}:/var/run:write", temp.at("run"));
    let conf = format!("{}:/etc/nscd.conf", temp.at("conf"));
    let flags = ["--mount", &run, "--mount", &conf, "--etc", "passwd,group,nsswitch.conf"];
    let mut jail = serve(&flags, &[&nscd, "-n"]);
    let socket = temp.path().join("run/nscd");
    for _ in 0..3 {
        let mut stream = jail.wait_until("nscd listens", |_| UnixStream::connect(&socket).ok());
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        // A question without credentials is not answered: the connection is closed.
        stream.write_all(&[0xff; 64]).unwrap();
        let mut said = Vec::new();
        assert!(stream.read_to_end(&mut said).is_ok() && said.is_empty(), "{said:?}");
    }
    jail.stop();
    before.assert_same_now(&[]);
}

#[test]
fn ntpd_tells_the_time_it_has() {
    need!(skip::root());
    let ntpd = need!(program("ntpd")).display().to_string();
    if ask(123, &[0; 48]).is_some() {
        skip!("something of this machine answers on port 123");
    }
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let temp = TempDir::new();
    temp.dir("db");
    temp.file(
        "conf",
        "disable ntp kernel\ninterface ignore wildcard\ninterface listen 127.0.0.1\nserver 127.127.1.0\nfudge 127.127.1.0 stratum 5\n",
    );
    let words = [&ntpd, "-n", "-g", "-c", &temp.at("conf"), "-f", &temp.at("db/drift")];
    let flags =
        ["--read", &temp.at("conf"), "--write", &temp.at("db"), "--tmp", "--etc", "passwd,group,services,hosts"];
    let mut jail = serve(&flags, &words);
    let answer = jail.wait_until("ntpd answers", |_| ask(123, &time_question()));
    assert_eq!((answer.len(), answer[0] & 0x3f), (48, 0x24), "{answer:?}");
    if let Ok(ntpq) = program("ntpq") {
        let said = std::process::Command::new(ntpq).args(["-n", "-c", "rv 0 stratum", "127.0.0.1"]).output().unwrap();
        assert!(String::from_utf8_lossy(&said.stdout).contains("stratum="), "{said:?}");
    }
    jail.stop();
    before.assert_same_now(&[]);
}

#[test]
fn local_unbound_resolves_names_of_its_own() {
    need!(skip::root());
    let unbound = match program("local-unbound").or_else(|_| program("unbound")) {
        Ok(path) => path.display().to_string(),
        Err(_) => skip!("neither local-unbound nor unbound is installed"),
    };
    let _alone = alone();
    let before = Snapshot::take(&[]);
    let temp = TempDir::new();
    temp.file(
        "conf",
        "server:\n  interface: 127.0.0.1\n  port: 5353\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  directory: \"\"\n\
         \u{20} pidfile: \"\"\n  use-syslog: no\n  logfile: \"\"\n  module-config: \"iterator\"\n\
         \u{20} local-zone: \"jail.test.\" static\n  local-data: \"here.jail.test. A 192.0.2.7\"\n",
    );
    let words = [&unbound, "-d", "-c", &temp.at("conf")];
    let flags = ["--read", &temp.at("conf"), "--etc", "passwd,group,services,hosts"];
    let mut jail = serve(&flags, &words);
    let answer = jail.wait_until("unbound answers", |_| ask(5353, &name_question()));
    assert_eq!((&answer[..2], answer[3] & 15), (&[0x12, 0x34][..], 0), "{answer:?}");
    assert!(answer.ends_with(&[192, 0, 2, 7]), "{answer:?}");
    jail.stop();
    before.assert_same_now(&[]);
}
