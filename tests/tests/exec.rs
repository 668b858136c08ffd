//! Commands of the administrator's in a running jail: what they see and may do, and what the jail sees of them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Finished, Thinjail, send, thinjail};
use thinjail_tests::process::Process;
use thinjail_tests::temp::TempDir;
use thinjail_tests::terminal::Terminal;
use thinjail_tests::{calls, need, skip, wait};

const PERL: &str = "/usr/bin/perl";

const HOSTILE: &str = include_str!("exec/hostile.pl");

/// A jail that runs, stopped at the end of the test.
struct Jail {
    name: String,
    profiles: PathBuf,
}

impl Jail {
    fn start(temp: &TempDir, what: &str, toml: &str) -> Self {
        let name = format!("exec-{what}-{}", std::process::id());
        let jail = Self { profiles: temp.profile(&name, &toml.replace("NAME", &name)), name };
        thinjail(["start", "--output", &temp.at("said"), &jail.name]).profiles(&jail.profiles).run().expect_code(0);
        jail
    }

    fn ask(&self, before: &[&str], words: &[&str]) -> Thinjail {
        thinjail(before).args([&self.name]).args(words).profiles(&self.profiles)
    }

    #[track_caller]
    fn exec(&self, words: &[&str]) -> Finished {
        self.ask(&["exec"], words).run()
    }

    fn main(&self) -> Process {
        let said = self.ask(&["status", "--json"], &[]).run().stdout;
        let json: serde_json::Value = serde_json::from_str(&said).unwrap();
        Process::of(json["pid"].as_i64().unwrap().try_into().unwrap()).unwrap()
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        self.ask(&["stop"], &[]).run();
    }
}

/// Waits for a file that a daemon has to make.
fn wait_for(path: &str) {
    wait::until_true(path, || Path::new(path).exists());
}

#[test]
fn redis_is_asked_by_its_socket_and_nothing_of_the_host_is_seen() {
    need!(skip::namespaces());
    need!(skip::program("redis-server"));
    need!(skip::program("redis-cli"));
    let _alone = alone();
    let temp = TempDir::new();
    let before = Snapshot::take(&[Path::new("/run/thinjail")]);
    let redis = "command = [\"redis-server\", \"--port\", \"0\", \"--unixsocket\", \"/run/NAME/s\", \"--save\", \"\"]\n\
                 user = \"redis\"\nrun-dir = \"NAME\"\nlimits = { memoryuse = \"300M\" }\n";
    let jail = Jail::start(&temp, "redis", redis);
    let socket = format!("/run/{}/s", jail.name);
    wait_for(&socket);
    let cli = |words: &[&str]| jail.exec(&[&["redis-cli", "-s", &socket], words].concat());
    assert_eq!(cli(&["set", "key", "value"]).expect_code(0).stdout, "OK\n");
    assert_eq!(cli(&["get", "key"]).expect_code(0).stdout, "value\n");

    // Processes: the jail's and no other. Ours that started it is gone by then.
    let listed = jail.exec(&["ps", "-A", "-o", "comm="]);
    let mut listed: Vec<&str> = listed.expect_code(0).stdout.lines().map(str::trim).collect();
    listed.sort_unstable();
    assert_eq!(listed, ["ps", "redis-server", "thinjail"]);
    // Files: those of the jail, its directory among them, and the command's own.
    let listed = jail.exec(&["ls", "/", &format!("/run/{}", jail.name)]).expect_code(0).stdout.clone();
    assert!(listed.contains("s\n") && !listed.contains("root") && !listed.contains("home"), "{listed}");
    jail.exec(&["ls", "/root"]).expect_code(2);

    // As the daemon, and under its limits.
    let main = jail.main();
    let group = |pid: &str| fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert_eq!(jail.exec(&["cat", "/proc/self/cgroup"]).stdout, group(&main.pid.to_string()));
    assert_ne!(group("self"), group(&main.pid.to_string()));
    let status = jail.exec(&["cat", "/proc/self/status"]).stdout;
    let field = |name: &str| {
        let line =
            status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {status}"));
        line.trim_start_matches(':').trim().to_owned()
    };
    for name in ["Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp", "Seccomp_filters"] {
        assert_eq!(Some(field(name)), main.field(name), "{name}");
    }
    // What shields it from the daemon, which has none at all: CAP_BLOCK_SUSPEND.
    for name in ["CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(name), "0000001000000000", "{name}");
    }
    let root = jail.ask(&["exec", "--user", "root"], &["cat", "/proc/self/status"]).run();
    assert!(root.expect_code(0).stdout.contains("\nUid:\t0\t0\t0\t0\n"), "{}", root.stdout);
    assert!(root.stdout.contains("\nCapEff:\t0000001000000000\n"), "{}", root.stdout);
    jail.exec(&["mkdir", "/x"]).expect_code(1).expect_stderr(&["Read-only file system"]);

    drop(jail);
    before.assert_same_now(&[Path::new("/run/thinjail")]);
}

#[test]
fn the_daemon_sees_nothing_of_a_command_and_the_command_all_of_the_daemon() {
    need!(skip::namespaces());
    let _alone = alone();
    let temp = TempDir::new();
    let toml = format!("command = [\"{PERL}\", \"-e\", \"sleep 1000\"]\nuser = \"nobody\"\ntmp = true\n");
    let jail = Jail::start(&temp, "sees", &toml);
    let main = jail.main();
    let inside = |pid: i32, path: &str| PathBuf::from(format!("/proc/{pid}/root{path}"));
    let mounts = |pid: i32| fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let before = mounts(main.pid);
    let ours = jail.ask(&["exec"], &["sleep", "1000"]).spawn();
    let command = wait::until("the command runs", || {
        Process::below(ours.pid()).into_iter().find(|process| process.name == "sleep")
    });
    assert!(inside(command.pid, "/usr/bin/sleep").exists());
    assert!(!inside(main.pid, "/usr/bin/sleep").exists());
    assert_eq!(mounts(main.pid), before);
    let namespace = |pid: i32, kind: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
    for kind in ["pid", "ipc", "uts", "net"] {
        assert_eq!(namespace(main.pid, kind), namespace(command.pid, kind), "{kind}");
    }
    assert_ne!(namespace(main.pid, "mnt"), namespace(command.pid, "mnt"));
    // The very same memory.
    fs::write(inside(main.pid, "/tmp/from-outside"), "x").unwrap();
    assert_eq!(fs::read_to_string(inside(command.pid, "/tmp/from-outside")).unwrap(), "x");
    // No descriptor but the caller's three.
    let open = fs::read_dir(format!("/proc/{}/fd", command.pid)).unwrap().count();
    assert_eq!(open, 3);

    // TERM is handed on, and the end of ours is the command's.
    ours.signal(Signal::TERM);
    let ended = ours.finish();
    ended.expect_code(128 + 15).expect_stderr(&["exited on signal 15"]);
    let ours = jail.ask(&["exec"], &["sleep", "1000"]).spawn();
    let command = wait::until("the command runs", || {
        Process::below(ours.pid()).into_iter().find(|process| process.name == "sleep")
    });
    send(ours.pid(), Signal::KILL);
    wait::until_true("the command ends with us", || !command.runs());
    // The jail's end is the command's.
    let ours = jail.ask(&["exec"], &["sleep", "1000"]).spawn();
    wait::until("the command runs", || Process::below(ours.pid()).into_iter().find(|process| process.name == "sleep"));
    jail.ask(&["stop"], &[]).run().expect_code(0);
    ours.finish().expect_code(128 + 9);
}

#[test]
fn the_status_is_the_command_s_and_a_jail_that_does_not_run_is_7() {
    need!(skip::namespaces());
    let _alone = alone();
    let temp = TempDir::new();
    let toml =
        format!("command = [\"{PERL}\", \"-e\", \"sleep 1000\"]\nuser = \"nobody\"\nwrite = [\"{}\"]\n", temp.at("w"));
    let own = temp.dir("w");
    let jail = Jail::start(&temp, "status", &toml);
    assert_eq!(jail.exec(&["sh", "-c", "echo out; echo err >&2; exit 42"]).expect_code(42).stdout, "out\n");
    jail.exec(&["no-such-program"]).expect_code(127).expect_stderr(&["no such program"]);
    jail.exec(&["/etc/passwd"]).expect_code(126);
    jail.ask(&["exec", "--user", "nonesuch"], &["true"]).run().expect_code(125).expect_stderr(&["nonesuch", "help: "]);
    thinjail(["exec", &jail.name]).run().expect_code(125);
    let mut directory = jail.ask(&["exec"], &["true"]);
    directory.command().stdin(fs::File::open("/").unwrap());
    directory.run().expect_code(125).expect_stderr(&["it is a directory of the host"]);
    // What the jail can write it could have written.
    let tool = temp.program("w/tool", fs::read("/usr/bin/true").unwrap()).display().to_string();
    assert_eq!(own, Path::new(&tool).parent().unwrap());
    jail.exec(&[&tool]).expect_code(125).expect_stderr(&["the jail can write at", "help: "]);
    let elsewhere = temp.program("tool", fs::read("/usr/bin/true").unwrap()).display().to_string();
    jail.exec(&[&elsewhere]).expect_code(0);
    jail.ask(&["stop"], &[]).run().expect_code(0);
    jail.exec(&["true"]).expect_code(7).expect_stderr(&["does not run"]);
    jail.ask(&["shell"], &[]).run().expect_code(7);
}

#[test]
fn a_shell_has_a_terminal_of_its_own() {
    need!(skip::namespaces());
    let _alone = alone();
    let temp = TempDir::new();
    let toml = format!("command = [\"{PERL}\", \"-e\", \"sleep 1000\"]\nuser = \"nobody\"\n");
    let jail = Jail::start(&temp, "shell", &toml);
    let mut terminal = Terminal::new(["shell", &jail.name]);
    terminal.resize(132);
    terminal.type_in(b"echo $((41+1)) is-said; ls -d /pro*; ps -o comm= | wc -l\n");
    terminal.wait_for("42 is-said");
    terminal.wait_for("/proc");
    // Its own session, with a controlling terminal that is not ours.
    terminal.type_in(b"set -- $(sed 's/.*) //' /proc/$$/stat); test $4 = $$ && test $5 != 0 && echo own-'session'\n");
    terminal.wait_for("own-session");
    // ^C is the command's, not ours: the shell goes on.
    terminal.type_in(b"cat\n");
    let pid = terminal.pid();
    wait::until_true("cat reads", || Process::below(pid).iter().any(|process| process.name == "cat"));
    terminal.type_in(b"echoed\n");
    terminal.wait_for("echoed\r\nechoed");
    terminal.type_in(&[3]);
    wait::until_true("cat is gone", || !Process::below(pid).iter().any(|process| process.name == "cat"));
    terminal.type_in(b"echo still $((1+1)) here\n");
    terminal.wait_for("still 2 here");
    terminal.type_in(b"exit 5\n");
    assert_eq!(terminal.finish(), Some(5));
    // What is piped into it needs none.
    let mut shell = Command::new(thinjail_tests::binary::thinjail())
        .args(["shell", &jail.name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut shell.stdin.take().unwrap(), b"test -t 0 || echo pipe; exit 3\n").unwrap();
    let done = shell.wait_with_output().unwrap();
    assert_eq!((done.status.code(), &done.stdout[..]), (Some(3), &b"pipe\n"[..]));
}

/// The hostile daemon as a profile, which has back all that the filter of system calls refuses of what it needs.
fn hostile(temp: &TempDir, user: &str) -> String {
    let script = temp.file("hostile.pl", calls::perl() + HOSTILE).display().to_string();
    let dir = temp.dir("w");
    fs::create_dir_all(dir.join("deep")).unwrap();
    let uid = if user == "root" { 0 } else { 65534 };
    std::os::unix::fs::chown(&dir, Some(uid), None).unwrap();
    let dir = dir.display();
    format!(
        "command = [\"{PERL}\", \"{script}\"]\nuser = \"{user}\"\nread = [\"{script}\", \"/usr/lib/x86_64-linux-gnu/perl\", \
         \"/usr/share/perl\", \"/usr/lib/x86_64-linux-gnu/perl-base\"]\nwrite = [\"{dir}\"]\ntmp = true\nproc = \"full\"\n\
         abstract-sockets = \"inherit\"\nallow-syscalls = [\"ptrace\", \"process_vm_readv\", \"pidfd_getfd\"]\n\
         env = {{ DIR = \"{dir}\" }}\n"
    )
}

#[test]
fn a_hostile_jail_gets_at_nothing_of_two_hundred_commands() {
    need!(skip::namespaces());
    need!(skip::program("cc"));
    let _alone = alone();
    for user in ["root", "nobody"] {
        let temp = TempDir::new();
        let jail = Jail::start(&temp, user, &hostile(&temp, user));
        wait_for(&temp.at("w/seen"));
        let before = Snapshot::take(&[Path::new("/run/thinjail")]);
        for round in 0..100 {
            // Some that end at once and some that can be looked at for a while, one in four as another user.
            let other = if round % 4 == 3 {
                &["exec", "--programs", "sleep", "--user", "daemon"][..]
            } else {
                &["exec", "--programs", "sleep"]
            };
            let word = format!("round-{round}");
            let pause = if round % 5 == 0 { "0.05" } else { "0" };
            let done = jail.ask(other, &["sh", "-c", &format!("sleep {pause}; echo {word}")]);
            let done = done.run();
            let won = fs::read_to_string(temp.at("w/won")).unwrap();
            assert_eq!(won, "", "{user}: {}", done.stderr);
            assert_eq!(done.expect_code(0).stdout, format!("{word}\n"));
        }
        before.assert_same_now(&[Path::new("/run/thinjail")]);
        let seen: u32 = fs::read_to_string(temp.at("w/seen")).unwrap().parse().unwrap();
        let won = fs::read_to_string(temp.at("w/won")).unwrap();
        thinjail_tests::figures::show(&format!("{user}: 100 commands, {seen} of their processes met, won: {won:?}"));
        assert!(seen >= 100, "{user} has met {seen} processes only");
        assert_eq!(won, "", "{user}");
        assert!(jail.main().runs());
    }
}
