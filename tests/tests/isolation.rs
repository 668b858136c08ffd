//! `isolation = "landlock"`: in an ordinary container, which refuses namespaces and mounts.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::time::Duration;

use rustix::process::Signal;
use thinjail_plan::syscalls::{END, call};
use thinjail_sys::linux::seccomp::{MACHINE, MOST, Rule, compile, sock_filter};
use thinjail_tests::host::alone;
use thinjail_tests::jail::{Running, Thinjail, thinjail, thinjail_through};
use thinjail_tests::process::Process;
use thinjail_tests::temp::{TempDir, chmod};
use thinjail_tests::wait::until_true;
use thinjail_tests::{need, skip};

const PERL: &str = "/usr/bin/perl";
const LANDLOCK: [&str; 2] = ["--isolation", "landlock"];

fn number(name: &str) -> u32 {
    let call = call(name).unwrap();
    if cfg!(target_arch = "x86_64") { call.x86_64 } else { call.generic }
}

/// What an ordinary container's filter refuses, as instructions in hexadecimal digits.
fn filter() -> String {
    const PERM: i32 = 1;
    let refused = [
        "mount",
        "umount2",
        "pivot_root",
        "setns",
        "open_tree",
        "move_mount",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "mount_setattr",
        "bpf",
        "perf_event_open",
        "keyctl",
        "add_key",
        "request_key",
    ];
    let namespaces = Rule::Bits { argument: 0, mask: 0x7e02_0000, errno: PERM };
    let mut rules: Vec<(u32, Rule<'_>)> = refused.map(|name| (number(name), Rule::Refuse(PERM))).to_vec();
    rules.extend([
        (number("clone"), namespaces),
        (number("unshare"), namespaces),
        (number("clone3"), Rule::Refuse(38)),
    ]);
    rules.sort_unstable_by_key(|(number, _)| *number);
    let mut out = vec![sock_filter { code: 0, jt: 0, jf: 0, k: 0 }; MOST];
    let length = compile(MACHINE, &rules, END, &mut out).unwrap();
    out[..length].iter().fold(String::new(), |mut text, one| {
        let [low, high] = one.code.to_le_bytes();
        write!(text, "{low:02x}{high:02x}{:02x}{:02x}", one.jt, one.jf).unwrap();
        one.k.to_le_bytes().iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
        text
    })
}

/// thinjail as root of an ordinary container, by its filter and its capabilities.
fn in_container(args: &[&str]) -> Thinjail {
    let set = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap";
    // PR_SET_SECCOMP, SECCOMP_MODE_FILTER.
    let script = format!(
        "my $filter = pack 'H*', shift; my $program = pack 'S x6 P', length($filter) / 8, $filter;
        syscall({}, 22, 2, $program) == 0 or die qq(seccomp: $!); exec @ARGV",
        number("prctl")
    );
    let bounding = format!("--bounding-set={set}");
    let filter = filter();
    let through = [PERL, "-e", &script, &filter, "setpriv", &bounding, "--inh-caps=-all", "--"];
    thinjail_through(through, args.iter().copied())
}

/// Whether this kernel has Landlock, and signals end at its border.
fn landlock() -> Result<(), skip::Lack> {
    skip::namespaces()?;
    let facts = thinjail(["facts", "--", PERL]).run();
    let facts: serde_json::Value = serde_json::from_str(&facts.expect_code(0).stdout).unwrap();
    match facts["landlock"].as_u64() {
        Some(abi) if abi >= 6 => Ok(()),
        found => Err(skip::Lack::new(format!("Landlock 6, the kernel has {found:?}"))),
    }
}

#[test]
fn a_container_s_refusal_names_both_ways_out_and_the_second_runs() {
    let _alone = alone();
    need!(landlock());
    let refused = in_container(&["run", "--", "/bin/echo", "hello"]).run();
    refused.expect_code(125).expect_stderr(&["docker: --privileged", "isolation = \"landlock\""]);
    assert_eq!(refused.stdout, "");
    let finished = in_container(&["run", LANDLOCK[0], LANDLOCK[1], "--", "/bin/echo", "hello"]).run();
    assert_eq!(finished.expect_code(0).stdout, "hello\n");
}

#[test]
fn nothing_is_opened_but_what_the_plan_allows() {
    let _alone = alone();
    need!(landlock());
    let dir = TempDir::new();
    chmod(dir.path(), 0o755);
    let (read, write) = (dir.dir("read").display().to_string(), dir.dir("write").display().to_string());
    chmod(write.as_ref(), 0o777);
    let secret = dir.file("secret", "of the host").display().to_string();
    chmod(secret.as_ref(), 0o666);
    dir.file("read/file", "readable\n");
    dir.program("write/program", "#!/bin/sh\n");
    let script = format!(
        r#"$| = 1; sub say {{ my ($what, $done) = @_; my $errno = $! + 0; print "$what ", $done ? 0 : $errno, "\n" }}
        $! = 0; say('read', open F, '<', '{read}/file'); $! = 0; say('write-read', open F, '>', '{read}/new');
        $! = 0; say('write', open F, '>', '{write}/new'); $! = 0; say('rename', rename '{write}/new', '{write}/newer');
        $! = 0; say('exec', exec('{write}/program') ? 1 : 0) if !fork; wait;
        $! = 0; say('secret', open F, '<', '{secret}'); $! = 0; say('secret-write', open F, '>>', '{secret}');
        $! = 0; say('list', opendir D, '{dir}'); $! = 0; say('truncate', truncate '{secret}', 0);
        $! = 0; say('make', mkdir '/tmp/thinjail-test-made'); $! = 0; say('other', exec('/usr/bin/id') ? 1 : 0) if !fork; wait;
        $! = 0; say('signal', kill 0, {host}); $! = 0; say('own', kill 0, $$); $! = 0; say('null', open F, '>', '/dev/null');
        $! = 0; say('environ', open F, '<', '/proc/{host}/environ'); $! = 0; say('root', opendir D, '/proc/{host}/root/etc');
        my ($none, $tmp, $type) = ('none', '/tmp', 'tmpfs');
        $! = 0; say('mount', syscall({mount}, $none, $tmp, $type, 0, 0) != -1);"#,
        dir = dir.path().display(),
        host = std::process::id(),
        mount = number("mount"),
    );
    for user in ["root", "65534"] {
        for container in [true, false] {
            let args = [
                "run",
                "--isolation",
                "landlock",
                "--user",
                user,
                "--read",
                &read,
                "--write",
                &write,
                "--",
                PERL,
                "-e",
                &script,
            ];
            let finished = if container { in_container(&args).run() } else { thinjail(args).run() };
            let said = &finished.expect_code(0).stdout;
            for (what, errno) in said.lines().filter_map(|line| line.split_once(' ')) {
                let done = ["read", "write", "rename", "own", "null"].contains(&what);
                let expected: &[&str] = match what {
                    _ if done => &["0"],
                    "signal" | "mount" => &["1"],
                    // Ids refuse before Landlock does, or the other way round.
                    _ => &["13", "1"],
                };
                assert!(expected.contains(&errno), "{what} says {errno} to {user}:\n{said}");
            }
            assert!(said.lines().count() >= 17, "{said}");
            let _ = fs::remove_file(format!("{write}/newer"));
        }
    }
    assert_eq!(fs::read_to_string(&secret).unwrap(), "of the host");
}

/// The processes of the jail that execute this file. They are in the host's pid namespace.
fn executing(jail: &Running, program: &str) -> Vec<Process> {
    let program = Some(program.into());
    Process::below(jail.pid()).into_iter().filter(|process| process.exe() == program).collect()
}

/// A port that is free a moment later.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What a server answers.
fn answer(jail: &mut Running, port: u16, question: &str) -> String {
    let mut stream = jail.wait_until("it serves its port", |_| TcpStream::connect(("127.0.0.1", port)).ok());
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(question.as_bytes()).unwrap();
    let mut answer = vec![0; 4096];
    let count = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

#[test]
fn redis_runs_in_a_container() {
    let _alone = alone();
    need!(landlock());
    let redis = need!(skip::program("redis-server")).display().to_string();
    let dir = TempDir::new();
    chmod(dir.path(), 0o755);
    let data = dir.dir("data").display().to_string();
    chmod(data.as_ref(), 0o777);
    let number = port();
    let port = number.to_string();
    let args = ["run", LANDLOCK[0], LANDLOCK[1], "--write", &data, "--tcp-bind", &port, "--", &redis];
    let own = ["--port", &port, "--bind", "127.0.0.1", "--dir", &data, "--daemonize", "no", "--dbfilename", "test.rdb"];
    let mut jail = in_container(&[&args[..], &own].concat()).spawn();
    assert_eq!(answer(&mut jail, number, "SET key value\r\n"), "+OK\r\n");
    assert_eq!(answer(&mut jail, number, "SAVE\r\n"), "+OK\r\n");
    jail.stop().expect_code(0);
    assert!(fs::metadata(format!("{data}/test.rdb")).unwrap().len() > 0);
}

#[test]
fn nginx_runs_in_a_container() {
    let _alone = alone();
    need!(landlock());
    let nginx = need!(skip::program("nginx")).display().to_string();
    let dir = TempDir::new();
    chmod(dir.path(), 0o755);
    let (site, state) = (dir.dir("site"), dir.dir("state"));
    chown(&state, Some(33), Some(33)).unwrap();
    dir.file("site/index.html", "served without namespaces\n");
    let number = port();
    let (site, state) = (site.display(), state.display());
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {state}/{name}; "))
        .concat();
    let config = dir.file(
        "nginx.conf",
        format!(
            "user www-data; pid {state}/pid; error_log stderr; worker_processes 2; events {{ }}
            http {{ access_log off; {paths} server {{ listen 127.0.0.1:{number}; root {site}; }} }}"
        ),
    );
    let (config, site, state) = (config.display().to_string(), site.to_string(), state.to_string());
    let flags =
        ["run", LANDLOCK[0], LANDLOCK[1], "--user", "root", "--capabilities", "drop-user", "--users", "www-data"];
    let paths =
        ["--read", &config, "--read", &site, "--write", &state, "--", &nginx, "-c", &config, "-g", "daemon off;"];
    let mut jail = in_container(&[&flags[..], &paths].concat()).spawn();
    let page = answer(&mut jail, number, "GET / HTTP/1.0\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200") && page.ends_with("served without namespaces\n"), "{page}");
    let workers = executing(&jail, &nginx);
    assert!(workers.iter().any(|process| process.uid() == Some(33)), "{workers:?}");
    jail.stop().expect_code(0);
    for process in workers {
        assert!(Process::of(process.pid).is_none_or(|found| !found.runs()), "{process:?} is left");
    }
}

/// A main process and one that has gone into the background, in a session of its own.
fn with_background() -> (Running, Vec<Process>) {
    let script = r#"use POSIX (); if (!fork) { POSIX::setsid(); if (!fork) { $0 = "background"; sleep 300 } exit } wait; $| = 1; print "ready\n"; sleep 300"#
        .replace("use POSIX (); ", "")
        .replace("POSIX::setsid()", &format!("syscall({})", number("setsid")));
    let mut jail = thinjail(["run", LANDLOCK[0], LANDLOCK[1], "--", PERL, "-e", &script]).spawn();
    jail.wait_for_stdout("ready\n");
    let all = executing(&jail, PERL);
    assert_eq!(all.len(), 2, "{all:?}");
    (jail, all)
}

#[test]
fn what_it_has_started_ends_with_it_however_it_ends() {
    let _alone = alone();
    need!(landlock());
    let gone = |all: Vec<Process>| {
        until_true("all processes have ended", || {
            all.iter().all(|process| Process::of(process.pid).is_none_or(|found| !found.runs()))
        });
    };
    let (jail, all) = with_background();
    jail.stop().expect_code(143);
    gone(all);
    let (jail, all) = with_background();
    jail.signal(Signal::KILL);
    drop(jail);
    gone(all);
    // What does not stop is killed.
    let script = r#"$SIG{TERM} = 'IGNORE'; if (!fork) { sleep 300 } $| = 1; print "ready\n"; sleep 300"#;
    let args = ["run", LANDLOCK[0], LANDLOCK[1], "--stop-timeout", "200ms", "--", PERL, "-e", script];
    let mut jail = thinjail(args).spawn();
    jail.wait_for_stdout("ready\n");
    let all = executing(&jail, PERL);
    jail.stop().expect_code(137);
    gone(all);
}
