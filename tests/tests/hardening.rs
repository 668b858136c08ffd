//! What a hostile program finds inside, and what it can't do from there. It may be uid 0.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Thinjail, thinjail, thinjail_through};
use thinjail_tests::temp::{TempDir, chmod};
use thinjail_tests::terminal::Terminal;
use thinjail_tests::{calls, need, skip};

const PERL: &str = "/usr/bin/perl";

fn perl(flags: &[&str], script: &str) -> Thinjail {
    thinjail(["run"]).args(flags).args(["--", PERL, "-e", script])
}

/// Who runs, and with which capabilities: the flags and the set that they mean.
const RUNNERS: [(&[&str], u64); 6] = [
    (&[], 0),
    (&["--user", "65534"], 0),
    (&["--user", "65534", "--capabilities", "net_bind_service,kill"], 1 << 10 | 1 << 5),
    (&["--user", "root"], 0),
    (&["--user", "root", "--capabilities", "drop-user"], 1 | 1 << 1 | 1 << 6 | 1 << 7 | 1 << 10),
    (&["--user", "root", "--capabilities", "sys_chroot,chown"], 1 << 18 | 1),
];

/// Prints what of its own status is asked for.
const STATUS: &str = r#"
    open S, "/proc/self/status";
    while (<S>) { s/\s+/ /g; print "$_\n" if /^(Cap|NoNewPrivs|Groups|Uid|Gid)/ }
"#;

fn fields(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    text.lines().filter_map(pair).collect()
}

#[test]
fn exactly_the_named_capabilities_are_in_every_set() {
    let _alone = alone();
    need!(skip::namespaces());
    for (flags, set) in RUNNERS {
        // The caller's groups are not the jail's.
        let through = ["setpriv", "--groups", "4,27,1000"];
        let args = [&["run"], flags, &["--", PERL, "-e", STATUS]].concat();
        let status = fields(&thinjail_through(through, args).run().expect_code(0).stdout);
        for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status[name], format!("{set:016x}"), "{name} of {flags:?}");
        }
        assert_eq!(status["NoNewPrivs"], "1", "{flags:?}");
        for group in status["Groups"].split_whitespace() {
            assert!(!["4", "27", "1000"].contains(&group), "{flags:?}: {}", status["Groups"]);
        }
    }
}

#[test]
fn root_that_drops_its_user_drops_its_capabilities() {
    let _alone = alone();
    need!(skip::namespaces());
    let script = format!("$) = '33 33'; $( = 33; $< = $> = 33; {STATUS}");
    let status = fields(&perl(&["--user", "root", "--capabilities", "drop-user"], &script).run().expect_code(0).stdout);
    assert_eq!((status["Uid"].as_str(), status["Gid"].as_str()), ("33 33 33 33", "33 33 33 33"));
    for name in ["CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status[name], "0000000000000000", "{name}");
    }
}

#[test]
fn set_id_bits_count_for_nothing() {
    let _alone = alone();
    need!(skip::namespaces());
    let dir = TempDir::new();
    let id = dir.program("id", fs::read("/usr/bin/id").unwrap());
    chmod(&id, 0o6755);
    let id = id.display().to_string();
    // Out here it is root's.
    let outside = Command::new("setpriv").args(["--reuid=65534", "--clear-groups", &id, "-u"]).output().unwrap();
    if outside.stdout != b"0\n" {
        skip!("the directory for temporary files is mounted nosuid");
    }
    let finished = thinjail(["run", "--user", "65534", "--", &id, "-u"]).run();
    assert_eq!(finished.expect_code(0).stdout, "65534\n");
}

/// A line of mountinfo(5).
#[derive(Debug)]
struct Mount {
    at: String,
    options: Vec<String>,
}

fn mounts(mountinfo: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        Mount { at: fields[4].into(), options: fields[5].split(',').map(String::from).collect() }
    };
    mountinfo.lines().map(mount).collect()
}

#[test]
fn every_mount_is_as_restricted_as_it_can_be() {
    let _alone = alone();
    need!(skip::namespaces());
    let dir = TempDir::new();
    let (data, read) = (dir.dir("data").display().to_string(), dir.dir("read").display().to_string());
    let script = r#"open M, "/proc/self/mountinfo"; print <M>"#;
    for proc in ["pid", "full"] {
        let flags = ["--tmp", "--devices", "shm", "--write", &data, "--read", &read, "--proc", proc, "--user", "root"];
        let finished = perl(&flags, script).run();
        let mounts = mounts(&finished.expect_code(0).stdout);
        assert!(mounts.len() > 8, "{mounts:#?}");
        let writable: Vec<&str> =
            mounts.iter().filter(|mount| mount.options.contains(&"rw".into())).map(|mount| mount.at.as_str()).collect();
        assert_eq!(writable.len(), 3, "{writable:?}");
        for mount in &mounts {
            let has = |option: &str| mount.options.iter().any(|found| found == option);
            let device = mount.at == "/dev";
            assert!(has("nosuid"), "{mount:?}");
            assert_eq!(has("nodev"), !device, "{mount:?}");
            if ["/tmp", "/dev/shm", &data].contains(&mount.at.as_str()) {
                assert!(has("rw") && has("noexec"), "{mount:?}");
            } else {
                assert!(has("ro"), "{mount:?}");
            }
            if mount.at == "/" || mount.at.starts_with("/proc") || device {
                assert!(has("noexec"), "{mount:?}");
            }
        }
        let root = mounts.iter().find(|mount| mount.at == "/").unwrap();
        assert!(root.options.contains(&"ro".into()), "{root:?}");
    }
}

/// A place to play in: data that the jail may write, a secret of the host beside it, and links to where it must not get.
struct Site {
    dir: TempDir,
    secret: String,
    data: String,
    handle: String,
}

impl Site {
    fn new() -> Self {
        let dir = TempDir::new();
        let secret = dir.file("secret", "the host's secret").display().to_string();
        let data = dir.dir("data").display().to_string();
        chmod(data.as_ref(), 0o777);
        dir.file("data/file", "the jail's own");
        dir.program("data/program", "#!/bin/sh\n");
        symlink(&secret, dir.at("data/out")).unwrap();
        symlink("/etc/shadow", dir.at("data/shadow")).unwrap();
        symlink("../secret", dir.at("data/up")).unwrap();
        let script = r#"
            my $handle = pack('I i', 128, 0) . "\0" x 128; my $mount = pack 'i', 0; my $path = $ARGV[0];
            syscall($N{name_to_handle_at}, -100, $path, $handle, $mount, 0) == -1 and die $!;
            print unpack 'H*', $handle;
        "#;
        let handle = Command::new(PERL).args(["-e", &format!("{}{script}", calls::perl()), &secret]).output().unwrap();
        let handle = String::from_utf8(handle.stdout).unwrap();
        assert!(!handle.is_empty(), "no handle for {secret}");
        Self { dir, secret, data, handle }
    }

    /// What the hostile program has got: errno by what it tried, 0 for a success.
    fn play(&self, flags: &[&str]) -> BTreeMap<String, u32> {
        let script = format!("{}{}", calls::perl(), include_str!("hardening/hostile.pl"));
        let own = std::process::id();
        let env = [
            format!("DIR={}", self.data),
            format!("SECRET={}", self.secret),
            format!("SECRET_HANDLE={}", self.handle),
            format!("HOST_PID={own}"),
        ];
        let env: Vec<&str> = env.iter().flat_map(|pair| ["--env", pair]).collect();
        let finished = perl(&[flags, &["--tmp", "--write", &self.data], &env].concat(), &script).run();
        finished.expect_code(0);
        let pair = |line: &str| {
            let (what, errno) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?} in {}", finished.stdout));
            (what.to_owned(), errno.parse().unwrap_or(u32::MAX))
        };
        let played: BTreeMap<String, u32> = finished.stdout.lines().map(pair).collect();
        assert_eq!(played.get("end"), Some(&0), "{}{}", finished.stdout, finished.stderr);
        played
    }
}

const PERM: u32 = 1;
const NOENT: u32 = 2;
const SRCH: u32 = 3;
const ACCES: u32 = 13;
const TXTBSY: u32 = 26;
const ROFS: u32 = 30;
const NOSYS: u32 = 38;

/// What may be said to each attempt; EPERM to all that are not here.
const SAID: [(&str, &[u32]); 48] = [
    ("write-null", &[0]),
    ("end", &[0]),
    ("secret", &[NOENT]),
    ("shadow", &[NOENT]),
    ("ns-mnt", &[NOENT, ACCES]),
    ("ns-pid", &[NOENT, ACCES]),
    ("ns-user", &[NOENT, ACCES]),
    ("chmod-null", &[ROFS]),
    ("chown-null", &[ROFS]),
    ("unlink-null", &[ROFS]),
    ("init-mem", &[NOENT, ACCES]),
    ("init-environ", &[NOENT, ACCES]),
    ("init-maps", &[NOENT, ACCES]),
    ("init-auxv", &[NOENT, ACCES]),
    ("init-root", &[NOENT, ACCES]),
    ("init-exe", &[NOENT, ACCES]),
    ("init-cwd", &[NOENT, ACCES]),
    ("init-fd/0", &[NOENT, ACCES]),
    ("host-process", &[SRCH]),
    ("write-hostname", &[NOENT, ROFS]),
    ("write-core_pattern", &[NOENT, ROFS]),
    ("write-sysrq", &[NOENT, ROFS]),
    ("write-own-proc", &[ROFS]),
    ("read-kcore", &[NOENT, PERM, ACCES, u32::MAX]),
    ("read-keys", &[NOENT, PERM, ACCES, u32::MAX]),
    ("read-timer_list", &[NOENT, PERM, ACCES, u32::MAX]),
    ("read-kpagecount", &[NOENT, PERM, ACCES, u32::MAX]),
    ("read-kpageflags", &[NOENT, PERM, ACCES, u32::MAX]),
    ("read-vmallocinfo", &[NOENT, PERM, ACCES, u32::MAX]),
    ("init_module", &[PERM, NOSYS]),
    ("nice", &[PERM, ACCES]),
    ("create-/", &[ROFS]),
    ("create-/etc", &[ROFS]),
    ("create-/usr", &[ROFS]),
    ("create-/usr/bin", &[ROFS]),
    ("create-/dev", &[ROFS]),
    ("write-passwd", &[ACCES, ROFS]),
    ("touch-program", &[ROFS, PERM]),
    ("write-self", &[ACCES, TXTBSY, ROFS]),
    ("write-program", &[ACCES, TXTBSY, ROFS]),
    ("write-library", &[ACCES, ROFS]),
    ("link-out", &[NOENT]),
    ("link-shadow", &[NOENT]),
    ("link-up", &[NOENT]),
    ("up", &[NOENT]),
    ("root-up", &[NOENT]),
    ("cwd-up", &[NOENT]),
    ("exec", &[ACCES]),
];

#[track_caller]
fn judge(played: &BTreeMap<String, u32>, more: &[(&str, &[u32])], flags: &[&str]) {
    for (what, errno) in played {
        let said = more.iter().chain(&SAID).find(|(known, _)| known == what).map_or(&[PERM][..], |(_, said)| said);
        assert!(said.contains(errno), "{flags:?}: {what} says {errno}, not one of {said:?}");
    }
    assert!(played.len() > 70, "only {} attempts", played.len());
}

#[test]
fn there_is_no_way_out_for_anybody() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::program("cc"));
    let site = Site::new();
    let before = Snapshot::take(&[site.dir.path()]);
    let null = fs::metadata("/dev/null").unwrap();
    for proc in ["pid", "full"] {
        for user in [&["--user", "65534"][..], &["--user", "root"], &["--user", "root", "--capabilities", "drop-user"]]
        {
            // And where the filter does not keep it from the others.
            for allowed in ["", "kcmp,pidfd_getfd,process_vm_readv,process_vm_writev,ptrace"] {
                let flags = [user, &["--proc", proc, "--allow-syscalls", allowed]].concat();
                judge(&site.play(&flags), &[], &flags);
            }
        }
    }
    before.assert_same_now(&[site.dir.path()]);
    let after = fs::metadata("/dev/null").unwrap();
    assert_eq!((after.mode(), after.uid(), after.gid()), (null.mode(), null.uid(), null.gid()));
}

#[test]
fn the_classic_way_out_of_a_chroot_leads_nowhere() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::program("cc"));
    let site = Site::new();
    let flags = ["--user", "root", "--capabilities", "sys_chroot"];
    let played = site.play(&flags);
    // With that capability the calls themselves succeed: there is just nothing above.
    judge(&played, &[("chroot", &[0]), ("chroot-again", &[0])], &flags);
}

#[test]
fn above_a_chroot_that_thinjail_was_started_in_is_nothing_either() {
    let _alone = alone();
    need!(skip::namespaces());
    let dir = TempDir::new();
    let escape = r#"
        my $before = join ":", (stat "/")[0, 1];
        chroot "/usr" or die "chroot: $!"; chdir ".." for 1 .. 99; chroot "." or die "chroot: $!";
        print $before eq join(":", (stat "/")[0, 1]) ? "still inside" : "out";
    "#;
    // In a mount namespace of its own, so that nothing has to be unmounted.
    let script = format!("mount --rbind / '{0}' && exec chroot '{0}' \"$@\"", dir.path().display());
    let through = ["unshare", "--mount", "sh", "-c", &script, "sh"];
    let args = ["run", "--user=root", "--capabilities=sys_chroot", "--", PERL, "-e", escape];
    assert_eq!(thinjail_through(through, args).run().expect_code(0).stdout, "still inside");
}

#[test]
fn the_host_s_proc_does_not_come_along_with_a_directory() {
    let _alone = alone();
    need!(skip::namespaces());
    let dir = TempDir::new();
    let (proc, data) = (dir.dir("data/chroot/proc").display().to_string(), dir.at("data"));
    let script = format!("mount -t proc proc '{proc}' && exec \"$@\"");
    let through = ["unshare", "--mount", "sh", "-c", &script, "sh"];
    // Written to, it has the switches of the host; read, PID/root of the same user leads out.
    // In all of the host there are more of the kind, and which is told first depends on the host.
    let all = ("--mount=/:/host".to_owned(), "is mounted");
    let [write, read] = ["write", "read"].map(|key| (format!("--{key}={data}"), "a proc is mounted"));
    for (mount, told) in [write, read, all] {
        let args = ["run", "--user=root", &mount, "--", PERL, "-e", "print 'inside'"];
        let finished = thinjail_through(through, args).run();
        finished.expect_code(125).expect_stderr(&[told, "help: "]);
        assert_eq!(finished.stdout, "", "{mount}");
    }
}

#[test]
fn init_has_nothing_worth_taking() {
    let _alone = alone();
    need!(skip::namespaces());
    let dir = TempDir::new();
    let file = dir.file("open", "of the caller");
    // A descriptor that the program is given is not init's.
    let through = ["sh", "-c", &format!("exec 7<{}; exec \"$@\"", file.display()), "sh"];
    let args = ["run", "--user", "root", "--capabilities", "drop-user", "--descriptors", "7", "--", PERL, "-e"];
    let script = r#"$| = 1; print "ready\n"; sleep 60"#;
    let mut running = thinjail_through(through, args.into_iter().chain([script])).spawn();
    running.wait_for_stdout("ready\n");
    let inside = running.inside();
    let [init, main] = &inside[..] else { panic!("{inside:?}") };
    // Its last act before it waits is to give everything up.
    running.wait_until("init has shed what it had", |_| (init.field("NoNewPrivs")? == "1").then_some(()));
    for name in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(init.field(name).unwrap(), "0000000000000000", "{name}");
    }
    // SIGCHLD and no other: from inside a pid 1 gets only what it has a handler for.
    assert_eq!(init.field("SigCgt").unwrap(), "0000000000010000");
    let open = |pid: i32| -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| format!("{} {}", path.file_name().unwrap().display(), fs::read_link(&path).unwrap().display()))
            .collect();
        names.sort();
        names
    };
    let descriptors = open(init.pid);
    assert!(matches!(&descriptors[..], [one] if one.starts_with("0 socket:")), "{descriptors:?}");
    let descriptors = open(main.pid);
    assert_eq!(descriptors.len(), 4, "{descriptors:?}");
    for pid in [init.pid, main.pid] {
        assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap().as_os_str(), "/");
        for kind in ["mnt", "pid", "ipc", "uts"] {
            let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
            assert_ne!(namespace(&pid.to_string()), namespace("self"), "{kind} of {pid}");
        }
    }
    running.stop().expect_code(143);
}

#[test]
fn init_s_memory_is_closed_to_who_is_the_jail_s_user_on_the_host() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::program("strace"));
    // Where fs.suid_dumpable is 1 a change of user makes memory dumpable, and that of the main process is init's until it is
    // the program. Nobody's host is made that weak for a test: it looks at the order of the calls.
    let dir = TempDir::new();
    let log = dir.at("trace");
    let through = ["strace", "-f", "-qq", "-o", &log, "-e", "trace=setresuid,prctl,execve"];
    thinjail_through(through, ["run", "--user=65534", "--", PERL, "-e", ""]).run().expect_code(0);
    let log = fs::read_to_string(&log).unwrap();
    let mut calls = log.lines().skip_while(|line| !line.contains("setresuid(65534"));
    let main = calls.next().and_then(|line| line.split_once(' ')).expect("it changes its user").0;
    let own: Vec<&str> = calls.filter_map(|line| line.strip_prefix(main)).map(str::trim_start).collect();
    let closed = own.iter().position(|call| call.starts_with("prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE"));
    let program = own.iter().position(|call| call.starts_with("execve("));
    assert!(closed.is_some() && closed < program, "{own:#?}");
}

#[test]
fn nothing_can_be_typed_into_the_caller_s_terminal() {
    let _alone = alone();
    need!(skip::namespaces());
    // TIOCSTI, then TIOCSCTTY, which would make the terminal the program's own.
    let script = r#"
        my $key = "x";
        $! = 0; ioctl STDIN, 0x5412, $key; print "sti=", $! + 0, "\n";
        $! = 0; ioctl STDIN, 0x540e, 1; print "sctty=", $! + 0, "\n";
        $! = 0; ioctl STDIN, 0x5412, $key; print "again=", $! + 0, "\n";
        open my $tty, "+<", "/dev/tty" or print "tty=", $! + 0, "\n";
    "#;
    for user in ["65534", "root"] {
        let mut terminal = Terminal::new(["run", "--user", user, "--", PERL, "-e", script]);
        assert_eq!(terminal.finish(), Some(0), "{}", terminal.said());
        for said in ["sti=1\r\n", "sctty=1\r\n", "again=1\r\n", "tty=2\r\n"] {
            assert!(terminal.said().contains(said), "{user}: {}", terminal.said());
        }
    }
}

#[test]
fn the_session_keyring_is_a_new_one() {
    let _alone = alone();
    need!(skip::namespaces());
    need!(skip::program("cc"));
    // KEYCTL_JOIN_SESSION_KEYRING, add_key(2) into it, then whatever follows: KEYCTL_SEARCH finds the key, or does not.
    let add = format!(
        "{} my ($type, $name, $secret) = qw(user thinjail-test of-the-caller);
        syscall($N{{keyctl}}, 1, 0) == -1 and exit 99; syscall($N{{add_key}}, $type, $name, $secret, 13, -3) == -1 and exit 98;
        exec @ARGV",
        calls::perl()
    );
    let search = format!(
        "{} my ($type, $name) = qw(user thinjail-test);
        print syscall($N{{keyctl}}, 10, -3, $type, $name, 0) == -1 ? 'none ' . ($! + 0) : 'found'",
        calls::perl()
    );
    let outside = Command::new(PERL).args(["-e", &add, PERL, "-e", &search]).output().unwrap();
    match outside.status.code() {
        Some(98 | 99) => skip!("this kernel has no keyrings"),
        _ => assert_eq!(String::from_utf8_lossy(&outside.stdout), "found"),
    }
    for user in ["root", "65534"] {
        let through = [PERL, "-e", &add];
        // ENOKEY; and EPERM where keyrings are not asked for.
        for (allowed, said) in [("keyctl", "none 126"), ("", "none 1")] {
            let args = ["run", "--user", user, "--allow-syscalls", allowed, "--", PERL, "-e", &search];
            assert_eq!(thinjail_through(through, args).run().expect_code(0).stdout, said, "{user}");
        }
    }
}

#[test]
fn of_the_host_s_users_only_those_who_run_are_inside() {
    let _alone = alone();
    need!(skip::namespaces());
    let host = fs::read_to_string("/etc/passwd").unwrap();
    let hidden: Vec<&str> = host
        .lines()
        .filter_map(|line| line.split(':').next())
        .filter(|name| !["root", "nobody"].contains(name))
        .collect();
    assert!(hidden.contains(&"daemon"), "{hidden:?}");
    let script =
        r#"for my $file ("/etc/passwd", "/etc/group", "/etc/shadow") { print "$file\n"; open F, $file and print <F> }"#;
    for user in ["root", "65534"] {
        let finished = perl(&["--user", user], script).run();
        let inside = &finished.expect_code(0).stdout;
        let (passwd, rest) = inside.split_once("/etc/group\n").unwrap();
        let (_, shadow) = rest.split_once("/etc/shadow\n").unwrap();
        assert_eq!(shadow, "");
        for name in &hidden {
            assert!(!passwd.contains(&format!("\n{name}:")), "{name} is in {passwd}");
        }
    }
}

#[test]
fn no_process_and_no_directory_of_the_host_is_in_sight() {
    let _alone = alone();
    need!(skip::namespaces());
    let script = r#"
        opendir P, "/proc"; print join(" ", sort grep /^\d+$/, readdir P), "\n"; closedir P;
        print readlink("/proc/self/cwd"), " ", readlink("/proc/self/root"), "\n";
        for my $fd (0 .. 255) { print "directory $fd\n" if -d "/proc/self/fd/$fd" }
        print "above\n" if join(",", (stat "/")[0, 1]) ne join(",", (stat "/../../..")[0, 1]);
    "#;
    // From a directory that is not inside, as CVE-2024-21626 has it.
    let dir = TempDir::new();
    for user in ["root", "65534"] {
        let mut jail = perl(&["--user", user], script);
        jail.command().current_dir(dir.path());
        assert_eq!(jail.run().expect_code(0).stdout, "2\n/ /\n");
    }
}
