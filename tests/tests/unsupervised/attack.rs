//! Pids are the host's: what a hostile program can do to the processes that it can name. Nothing.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use thinjail_plan::syscalls::call;
use thinjail_tests::host::alone;
use thinjail_tests::jail::thinjail;
use thinjail_tests::need;
use thinjail_tests::process::Process;

use crate::{PERL, for_root};

fn number(name: &str) -> u32 {
    let call = call(name).unwrap();
    if cfg!(target_arch = "x86_64") { call.x86_64 } else { call.generic }
}

/// A process of the host of that user, without a capability: nothing of its own protects it.
struct Victim(Child);

impl Victim {
    fn of(uid: u32) -> Self {
        let ids = [format!("--reuid={uid}"), format!("--regid={uid}")];
        let mut command = Command::new("setpriv");
        command.args(ids).args(["--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "sleep", "300"]);
        let child = command.stdin(Stdio::null()).process_group(0).spawn().unwrap();
        let victim = Self(child);
        thinjail_tests::wait::until_true("it sleeps", || {
            Process::of(victim.pid()).is_some_and(|process| process.name == "sleep")
        });
        victim
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    /// What others of its user could change.
    fn state(&self) -> String {
        let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", self.pid())).unwrap();
        let stat = read("stat");
        // Priority, nice, and the scheduling policy; proc_pid_stat(5).
        let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let status = read("status");
        let processors = status.lines().find(|line| line.starts_with("Cpus_allowed:")).unwrap().to_owned();
        format!("{} {} {} {}\n{processors}\n{}", fields[15], fields[16], fields[37], fields[38], read("limits"))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Tries everything on a process of the host, then what of it is allowed on the program itself.
fn script(victim: i32) -> String {
    let calls = [
        "prlimit64",
        "sched_setaffinity",
        "sched_setscheduler",
        "sched_setparam",
        "sched_setattr",
        "setpriority",
        "ioprio_set",
        "pidfd_open",
        "pidfd_send_signal",
        "tgkill",
        "ptrace",
        "process_vm_readv",
        "rt_sigqueueinfo",
        "kcmp",
        "clone",
    ];
    let numbers: String = calls.iter().map(|name| format!("{name} => {}, ", number(name))).collect();
    format!(
        r#"$| = 1; my %n = ({numbers}); my $host = {victim};
        sub told {{ my ($what, $done) = @_; my $errno = $! + 0; print "$what ", $done ? 0 : $errno, "\n"; $! = 0 }}
        sub sys {{ my ($what, $name, @a) = @_; $! = 0; my $got = syscall($n{{$name}}, @a); told($what, $got != -1); $got }}
        sub all {{ my ($who, $pid) = @_;
            my ($limit, $mask, $param) = (pack('QQ', 256, 256), pack('Q', 1), pack('i', 0));
            my $attr = pack('LLQlLQQQ', 48, 3, 0, 10, 0, 0, 0, 0);
            sys("$who-prlimit", 'prlimit64', $pid, 7, $limit, 0);
            sys("$who-affinity", 'sched_setaffinity', $pid, 8, $mask);
            sys("$who-scheduler", 'sched_setscheduler', $pid, 3, $param);
            sys("$who-param", 'sched_setparam', $pid, $param);
            sys("$who-attr", 'sched_setattr', $pid, $attr, 0);
            sys("$who-nice", 'setpriority', 0, $pid, 11);
            sys("$who-io", 'ioprio_set', 1, $pid, (2 << 13) | 7);
        }}
        all('host', $host); all('own', 0);
        sys('nice-group', 'setpriority', 1, 0, 12); sys('nice-user', 'setpriority', 2, 0, 12); sys('io-user', 'ioprio_set', 3, 0, (2 << 13) | 7);
        $! = 0; told('kill', kill 0, $host); $! = 0; told('kill-group', kill 0, -$host); $! = 0; told('kill-all', kill 'URG', -1);
        $! = 0; told('kill-own', kill 0, $$);
        my $fd = sys('pidfd', 'pidfd_open', $host, 0); sys('pidfd-signal', 'pidfd_send_signal', $fd, 15, 0, 0) if $fd > 0;
        sys('tgkill', 'tgkill', $host, $host, 15);
        my $info = pack('iii x116', 15, 0, -1); sys('sigqueue', 'rt_sigqueueinfo', $host, 15, $info);
        sys('ptrace', 'ptrace', 16, $host, 0, 0);
        my $buffer = 'x' x 8; my $io = pack('P Q', $buffer, 8); my $there = pack('QQ', 0x400000, 8);
        sys('vm', 'process_vm_readv', $host, $io, 1, $there, 1, 0);
        sys('kcmp', 'kcmp', $host, $$, 0, 0, 0);
        # Who owns a socket is told of what comes to it, by any signal that is asked for: F_SETOWN, F_SETSIG, O_ASYNC.
        socketpair my $one, my $two, 1, 1, 0; fcntl $one, 8, $host; fcntl $one, 10, 9; fcntl $one, 4, 0x2000 | 2; syswrite $two, 'x';
        fcntl $one, 8, -$host; syswrite $two, 'x';
        # A child of whoever has started us: CLONE_PARENT.
        my $child = sys('sibling', 'clone', 0x8000 | 17, 0, 0, 0, 0); exit 0 if $child == 0;
        for my $name ('environ', 'root/etc/passwd', 'cwd', 'status', 'mem') {{ $! = 0; told("proc-$name", -e "/proc/$host/$name") }}
        $! = 0; opendir D, '/proc'; my @seen = grep /^\d+$/, readdir D; print "seen @seen of $$\n";"#
    )
}

/// All that only the program itself may be.
const OWN: [&str; 9] = [
    "own-prlimit",
    "own-affinity",
    "own-scheduler",
    "own-param",
    "own-attr",
    "own-nice",
    "own-io",
    "kill-own",
    "pidfd",
];

#[track_caller]
fn assert_nothing_done(said: &str, landlocked: bool) {
    for (what, errno) in said.lines().filter_map(|line| line.split_once(' ')).filter(|(what, _)| *what != "seen") {
        let expected: &[&str] = match what {
            _ if OWN.contains(&what) => &["0"],
            // Where names stay visible that of a process does, and what anybody may read of it.
            // Its parent is our own there.
            "sibling" if landlocked => &["0", "1"],
            "proc-status" if landlocked => &["0"],
            "proc-environ" | "proc-mem" if landlocked => &["0"],
            // ENOENT, EACCES.
            _ if what.starts_with("proc-") => &["2", "13"],
            // Said to be done whoever refused it; kill(2). By a signal that nobody minds, should it ever get through.
            "kill-all" => &["0", "1", "3"],
            _ => &["1"],
        };
        assert!(expected.contains(&errno), "{what} says {errno}:\n{said}");
    }
    assert!(said.lines().count() >= 33, "{said}");
}

#[test]
fn no_process_of_the_host_is_signalled_traced_limited_or_seen() {
    let _alone = alone();
    need!(for_root());
    for (user, uid) in [("root", 0), ("65534", 65534)] {
        // A neighbour in a jail like ours is as far away as any other.
        let neighbour = thinjail(["run", "--no-supervisor", "--user", user, "--", "/bin/sleep", "300"]).spawn();
        thinjail_tests::wait::until_true("it sleeps", || {
            Process::of(neighbour.pid()).is_some_and(|process| process.name == "sleep")
        });
        let victim = Victim::of(uid);
        let state = victim.state();
        for pid in [victim.pid(), neighbour.pid()] {
            let script = script(pid);
            let own = ["--user", user, "--allow-syscalls", "ptrace,process_vm_readv,kcmp", "--", PERL, "-e", &script];
            let finished = thinjail(["run", "--no-supervisor"]).args(own).run();
            let said = &finished.expect_code(0).stdout;
            assert_nothing_done(said, false);
            let seen = said.lines().find_map(|line| line.strip_prefix("seen ")).unwrap();
            let (seen, pid) = seen.split_once(" of ").unwrap();
            assert_eq!(seen, pid, "in /proc there is the program alone");
        }
        // Without namespaces the pids are the host's as well.
        for flags in [&["run", "--isolation", "landlock"][..], &["run", "--isolation", "landlock", "--no-supervisor"]] {
            let script = script(victim.pid());
            let own = ["--user", user, "--allow-syscalls", "ptrace,process_vm_readv,kcmp", "--", PERL, "-e", &script];
            let finished = thinjail(flags).args(own).run();
            assert_nothing_done(&finished.expect_code(0).stdout, true);
        }
        assert_eq!(victim.state(), state, "{user}");
        assert!(Process::of(victim.pid()).is_some_and(|process| process.runs()));
        assert!(Process::of(neighbour.pid()).is_some_and(|process| process.runs()));
        neighbour.signal(rustix::process::Signal::KILL);
    }
}
