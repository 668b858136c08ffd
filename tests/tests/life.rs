//! Jails in the background on Linux: what others find of them, and what is left when their supervisor is killed.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Finished, send, thinjail};
use thinjail_tests::process::Process;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{binary, need, skip, wait};

const BUSYBOX: &str = "/usr/bin/busybox";
const STATE: &str = "/run/thinjail";

/// A daemon that does nothing, with all that a profile can have made on the host.
struct Daemon {
    temp: TempDir,
    profiles: PathBuf,
    name: String,
    data: Vec<u8>,
}

impl Daemon {
    fn new(what: &str) -> Self {
        let temp = TempDir::new();
        let name = format!("life-{what}-{}", std::process::id());
        temp.dir("pids");
        temp.dir("data");
        let data = vec![7; 100_000];
        temp.file("data/user", &data);
        let toml = format!(
            "command = [\"{BUSYBOX}\", \"sh\", \"-c\", \"echo up; exec sleep 1000\"]\n\
             user = \"nobody\"\nprograms = [\"sleep\"]\nrun-dir = \"{name}\"\nstop-timeout = \"1s\"\n\
             write = [\"{data}\"]\npidfile = \"{pids}/x.pid\"\n",
            data = temp.at("data"),
            pids = temp.at("pids"),
        );
        let profiles = temp.profile(&name, &toml);
        Self { temp, profiles, name, data }
    }

    fn thinjail(&self, words: &[&str]) -> Finished {
        thinjail(words).profiles(&self.profiles).run()
    }

    fn ask(&self, verb: &str) -> Finished {
        self.thinjail(&[verb, &self.name])
    }

    fn journal(&self) -> PathBuf {
        Path::new(STATE).join(format!("{}.journal", self.name))
    }

    fn run_dir(&self) -> PathBuf {
        Path::new("/run").join(&self.name)
    }

    fn number(&self, key: &str) -> i32 {
        let said = self.thinjail(&["status", "--json", &self.name]).stdout;
        let value: serde_json::Value = serde_json::from_str(&said).unwrap();
        i32::try_from(value[key].as_i64().unwrap_or_else(|| panic!("no {key} in {said}"))).unwrap()
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::take(&[self.temp.path(), &self.run_dir(), &self.journal()])
    }

    /// Fails unless all is as it was, the data included.
    #[track_caller]
    fn assert_as(&self, before: &Snapshot) {
        before.assert_same_now(&[self.temp.path(), &self.run_dir(), &self.journal()]);
        assert!(fs::read(self.temp.path().join("data/user")).unwrap() == self.data, "the data has changed");
    }

    /// Kills the supervisor, and waits until the jail has gone with it.
    fn kill(&self) {
        let (supervisor, main) = (self.number("supervisor"), self.number("pid"));
        send(supervisor, Signal::KILL);
        wait::until_true("the jail is gone", || {
            [supervisor, main].iter().all(|pid| Process::of(*pid).is_none_or(|process| process.state == 'Z'))
        });
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.ask("stop");
        let _ = fs::remove_dir(self.run_dir());
        let _ = fs::remove_file(self.journal());
    }
}

#[test]
fn a_start_comes_back_once_the_program_runs_and_leaves_the_caller_nothing() {
    need!(skip::namespaces());
    let _alone = alone();
    let daemon = Daemon::new("start");
    let before = daemon.snapshot();
    daemon.ask("status").expect_code(3);
    let output = daemon.temp.at("output");
    let started = daemon.thinjail(&["start", "--log", &output, &daemon.name]);
    assert_eq!((started.expect_code(0).stdout.as_str(), started.stderr.as_str()), ("", ""));
    let (supervisor, main) = (daemon.number("supervisor"), daemon.number("pid"));
    assert_eq!(fs::read_link(format!("/proc/{main}/exe")).unwrap(), Path::new(BUSYBOX));
    // A session of its own, no terminal, and none of the caller's files.
    let stat = fs::read_to_string(format!("/proc/{supervisor}/stat")).unwrap();
    let words: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    assert_eq!((words[3].parse(), words[4]), (Ok(supervisor), "0"), "session and terminal: {stat}");
    assert_eq!(fs::read_link(format!("/proc/{supervisor}/cwd")).unwrap(), Path::new("/"));
    for fd in ["0", "1", "2"] {
        assert_eq!(fs::read_link(format!("/proc/{supervisor}/fd/{fd}")).unwrap(), Path::new("/dev/null"));
    }
    wait::until_true("its output is in the file", || fs::read_to_string(&output).unwrap() == "up\n");
    assert_eq!(fs::read_to_string(daemon.temp.path().join("pids/x.pid")).unwrap(), format!("{main}\n"));
    let said = daemon.ask("status");
    assert!(said.expect_code(0).stdout.contains(&format!("pid {main}")), "{said:?}");
    assert!(daemon.thinjail(&["list"]).stdout.lines().any(|line| line.starts_with(&daemon.name)));
    // Whoever could read it could lock it.
    assert_eq!(fs::metadata(daemon.journal()).unwrap().mode() & 0o777, 0o600);
    daemon.ask("stop").expect_code(0);
    assert!(Process::of(main).is_none());
    fs::remove_file(output).unwrap();
    daemon.assert_as(&before);
    daemon.ask("stop").expect_code(0).expect_stderr(&["does not run"]);
}

#[test]
fn a_start_that_fails_says_why_and_leaves_nothing() {
    need!(skip::namespaces());
    let _alone = alone();
    let daemon = Daemon::new("fails");
    let before = daemon.snapshot();
    let failed = daemon.thinjail(&["start", "--limits=openfiles=4000000000", &daemon.name]);
    failed.expect_code(1).expect_stderr(&["set the limit openfiles", "help: "]);
    assert_eq!(failed.stderr.matches("thinjail: ").count(), 1, "{}", failed.stderr);
    daemon.assert_as(&before);
    daemon.thinjail(&["start", "--", BUSYBOX, "true"]).expect_code(2);
}

#[test]
fn of_many_starts_at_once_one_wins_and_the_others_say_so() {
    need!(skip::namespaces());
    let _alone = alone();
    let daemon = Daemon::new("many");
    let before = daemon.snapshot();
    for round in 0..10 {
        let start = || {
            let mut start = thinjail(["start", &daemon.name]).profiles(&daemon.profiles);
            start.command().stdout(Stdio::null());
            start.spawn()
        };
        let all: Vec<Finished> = [(); 4].map(|()| start()).into_iter().map(|start| start.finish()).collect();
        let silent = all.iter().filter(|start| start.stderr.is_empty()).count();
        assert_eq!(silent, 1, "round {round}: {all:#?}");
        for other in all.iter().filter(|start| !start.stderr.is_empty()) {
            // Which of them depends on how far the winner is: the pidfile is looked at before the name.
            let known =
                ["runs already", "already running", "being started already", "starts or stops it at this moment"]
                    .iter()
                    .any(|said| other.stderr.contains(said));
            assert!(known, "round {round}: {}", other.stderr);
        }
        daemon.ask("status").expect_code(0);
        daemon.ask("stop").expect_code(0);
        daemon.assert_as(&before);
    }
}

#[test]
fn what_a_killed_supervisor_leaves_is_taken_back_by_the_next_start_stop_or_clean() {
    need!(skip::namespaces());
    let _alone = alone();
    let daemon = Daemon::new("killed");
    let before = daemon.snapshot();
    for verb in ["clean", "stop", "start", "run"] {
        daemon.ask("start").expect_code(0);
        daemon.kill();
        let said = daemon.ask("status");
        assert!(
            said.expect_code(1).stdout.contains(&format!("has left the directory /run/{}", daemon.name)),
            "{said:?}"
        );
        match verb {
            "start" => {
                daemon.ask("start").expect_code(0);
                daemon.ask("status").expect_code(0);
                daemon.ask("stop").expect_code(0);
            }
            "run" => {
                let mut running = thinjail(["run", &daemon.name]).profiles(&daemon.profiles).spawn();
                running.wait_for_stdout("up");
                running.stop();
            }
            verb => {
                daemon.ask(verb).expect_code(0);
            }
        }
        daemon.assert_as(&before);
    }
}

#[test]
fn clean_leaves_a_jail_that_runs_alone() {
    need!(skip::namespaces());
    let _alone = alone();
    let daemon = Daemon::new("alone");
    daemon.ask("start").expect_code(0);
    let main = daemon.number("pid");
    daemon.ask("clean").expect_code(0).expect_stderr(&["left alone"]);
    daemon.thinjail(&["clean", "--all"]).expect_code(0);
    assert_eq!(daemon.number("pid"), main);
    assert!(daemon.run_dir().exists());
}

#[test]
fn what_the_daemon_has_left_in_its_directory_is_told_and_never_removed() {
    need!(skip::namespaces());
    let _alone = alone();
    let daemon = Daemon::new("full");
    let before = daemon.snapshot();
    daemon.ask("start").expect_code(0);
    let file = daemon.run_dir().join("precious");
    fs::write(&file, "data").unwrap();
    for verb in ["stop", "clean"] {
        daemon.ask(verb).expect_code(1).expect_stderr(&["remove the directory", "not empty", "help: "]);
        daemon.ask("status").expect_code(1);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "data");
    // It is no reason not to start.
    assert_eq!(daemon.ask("start").code(), Some(0));
    fs::remove_file(file).unwrap();
    daemon.ask("stop").expect_code(0);
    daemon.assert_as(&before);
}

#[test]
fn what_a_killed_daemon_has_left_in_its_directory_goes_and_what_is_another_s_stays() {
    need!(skip::namespaces());
    let _alone = alone();
    let daemon = Daemon::new("rest");
    let profile = fs::read_to_string(daemon.profiles.join(format!("{}.toml", daemon.name))).unwrap();
    daemon.temp.profile(&daemon.name, &format!("{profile}restart = \"on-failure\"\nrestart-delay = \"10ms\"\n"));
    let before = daemon.snapshot();
    let nobody = Some(65534);
    let own = |path: &Path| std::os::unix::fs::lchown(path, nobody, nobody).unwrap();
    let fill = || {
        let run = daemon.run_dir();
        assert_eq!(fs::read_dir(&run).unwrap().count(), 0);
        fs::create_dir_all(run.join("below/deeper")).unwrap();
        fs::write(run.join("below/deeper/file"), "").unwrap();
        fs::write(run.join("daemon.pid"), "17").unwrap();
        std::os::unix::fs::symlink(daemon.temp.path().join("data"), run.join("link")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(run.join("socket")).unwrap());
        for name in ["below/deeper/file", "below/deeper", "below", "daemon.pid", "link", "socket"] {
            own(&run.join(name));
        }
        run
    };
    daemon.ask("start").expect_code(0);
    // It is started again in a directory that is as new.
    fill();
    let main = daemon.number("pid");
    send(main, Signal::KILL);
    wait::until_true("it is started again", || {
        let said = daemon.thinjail(&["status", "--json", &daemon.name]).stdout;
        let said: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
        said["restarts"] == 1 && said["stage"] == "running"
    });
    fill();
    daemon.ask("stop").expect_code(0);
    daemon.assert_as(&before);
    // What is somebody else's stays, wherever it lies, and whatever has been mounted there since.
    daemon.ask("start").expect_code(0);
    let run = fill();
    let (foreign, mounted) = (run.join("foreign"), run.join("mounted"));
    for dir in [&foreign, &mounted] {
        fs::create_dir(dir).unwrap();
    }
    own(&mounted);
    fs::write(foreign.join("his"), "").unwrap();
    own(&foreign.join("his"));
    fs::write(run.join("below/root"), "").unwrap();
    let data = daemon.temp.path().join("data");
    own(&data);
    fs::write(data.join("own"), "").unwrap();
    own(&data.join("own"));
    rustix::mount::mount_bind(&data, &mounted).unwrap();
    let stopped = daemon.ask("stop");
    let kept = [foreign.join("his"), run.join("below/root"), data.join("own"), data.join("user")];
    let lost: Vec<_> = kept.iter().filter(|path| !path.exists()).collect();
    rustix::mount::unmount(&mounted, rustix::mount::UnmountFlags::empty()).unwrap();
    assert!(lost.is_empty(), "{lost:?}");
    stopped.expect_code(1).expect_stderr(&["remove the directory", "not empty", "help: "]);
    assert!(!run.join("daemon.pid").exists() && !run.join("below/deeper").exists() && !run.join("link").exists());
    fs::remove_dir_all(&run).unwrap();
}

#[test]
fn a_run_in_a_directory_that_an_earlier_one_left_full_keeps_it_and_takes_it_back() {
    need!(skip::namespaces());
    let _alone = alone();
    let daemon = Daemon::new("reused");
    let before = daemon.snapshot();
    let run = || thinjail(["run", &daemon.name]).profiles(&daemon.profiles).spawn();
    let mut killed = run();
    killed.wait_for_stdout("up");
    let socket = daemon.run_dir().join("socket");
    fs::write(&socket, "").unwrap();
    killed.signal(Signal::KILL);
    killed.finish();
    let mut running = run();
    running.wait_for_stdout("up");
    // As a daemon does that finds its own socket there: now the directory is empty, but in use.
    fs::remove_file(&socket).unwrap();
    daemon.ask("clean").expect_code(0);
    assert!(daemon.run_dir().exists());
    running.stop();
    daemon.assert_as(&before);
    assert!(
        !fs::read_dir(STATE)
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with(&daemon.name) })
    );
}

#[test]
fn a_pid_that_is_another_process_s_by_now_is_not_signalled() {
    need!(skip::namespaces());
    let _alone = alone();
    let daemon = Daemon::new("pid");
    daemon.ask("start").expect_code(0);
    daemon.kill();
    // A journal of a supervisor that held it, and whose pid is now a bystander's.
    let mut bystander = Command::new("sleep").arg("1000").spawn().unwrap();
    let text = fs::read_to_string(daemon.journal()).unwrap();
    let old = text.split_once("\"pid\":").unwrap().1.split_once(',').unwrap().0.to_owned();
    let planted = text.replace(&format!("\"pid\":{old},"), &format!("\"pid\":{},", bystander.id()));
    fs::write(daemon.journal(), planted).unwrap();
    let lock = fs::File::open(daemon.journal()).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut stop = thinjail(["stop", &daemon.name]).spawn();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(bystander.try_wait().unwrap(), None, "a stranger was told to stop");
    drop(lock);
    assert_eq!(wait::until("stop ends", || stop.ended()).code(), Some(0));
    assert_eq!(bystander.try_wait().unwrap(), None, "a stranger was told to stop");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    assert!(!daemon.run_dir().exists() && !daemon.journal().exists());
}

/// What stands at the place of a journal, and what has to be said of it.
fn planted(daemon: &Daemon) -> Vec<(&'static str, String, &'static str)> {
    daemon.ask("start").expect_code(0);
    daemon.kill();
    let text = fs::read_to_string(daemon.journal()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let id = text.split_once("\"ino\":").unwrap().1.split_once(',').unwrap().0;
    vec![
        ("damaged in the middle", text.replace("\"did\"", "\"dud\""), "is damaged"),
        ("without its beginning", lines[1..].join("\n") + "\n", "line 1 is damaged"),
        ("about another object", text.replace("did\":{\"n\":0,", "did\":{\"n\":1,"), "is damaged"),
        ("of another version", text.replace("\"version\":1", "\"version\":2"), "format 2"),
        ("not ours at all", "\0\u{1}binary\n".into(), "line 1 is damaged"),
        ("of another directory", text.replace(&format!("\"ino\":{id}"), "\"ino\":1"), ""),
    ]
}

#[test]
fn a_damaged_or_planted_journal_removes_nothing() {
    need!(skip::namespaces());
    let _alone = alone();
    let daemon = Daemon::new("planted");
    let cases = planted(&daemon);
    let whole = fs::read_to_string(daemon.journal()).unwrap();
    for (what, text, says) in cases {
        fs::write(daemon.journal(), &text).unwrap();
        let cleaned = daemon.ask("clean");
        assert!(daemon.run_dir().exists(), "{what}: {cleaned:?}");
        if says.is_empty() {
            // Gone or replaced is not ours, and no error.
            cleaned.expect_code(0);
        } else {
            cleaned.expect_code(1).expect_stderr(&[says, "help: "]);
            assert_eq!(fs::read_to_string(daemon.journal()).unwrap(), text, "{what}");
            daemon.ask("start").expect_code(1).expect_stderr(&[says]);
        }
    }
    // Others could have written it: its owner, its mode, a second name.
    fs::write(daemon.journal(), &whole).unwrap();
    fs::set_permissions(daemon.journal(), fs::Permissions::from_mode(0o622)).unwrap();
    daemon.ask("clean").expect_code(1).expect_stderr(&["not what thinjail writes"]);
    fs::set_permissions(daemon.journal(), fs::Permissions::from_mode(0o600)).unwrap();
    let second = Path::new(STATE).join("second-name");
    fs::hard_link(daemon.journal(), &second).unwrap();
    daemon.ask("clean").expect_code(1).expect_stderr(&["not what thinjail writes"]);
    fs::remove_file(second).unwrap();
    let target = daemon.temp.file("target", &whole);
    fs::remove_file(daemon.journal()).unwrap();
    std::os::unix::fs::symlink(&target, daemon.journal()).unwrap();
    daemon.ask("clean").expect_code(1);
    assert!(daemon.run_dir().exists());
    fs::remove_file(daemon.journal()).unwrap();
    fs::remove_file(target).unwrap();
    // As it was written, cut off in its last line, it is good.
    fs::write(daemon.journal(), format!("{whole}{{\"undone\":{{\"n")).unwrap();
    fs::set_permissions(daemon.journal(), fs::Permissions::from_mode(0o600)).unwrap();
    daemon.ask("clean").expect_code(0);
    assert!(!daemon.run_dir().exists() && !daemon.journal().exists());
}

#[test]
fn a_lock_of_a_stranger_keeps_no_jail_from_starting() {
    need!(skip::namespaces());
    let _alone = alone();
    let daemon = Daemon::new("locked");
    daemon.ask("start").expect_code(0);
    // Whoever can open the directory of all jails could lock it. An older thinjail made it for all to read.
    let mode = || fs::metadata(STATE).unwrap().mode() & 0o777;
    assert_eq!(mode(), 0o700);
    daemon.ask("stop").expect_code(0);
    fs::set_permissions(STATE, fs::Permissions::from_mode(0o755)).unwrap();
    daemon.ask("start").expect_code(0);
    assert_eq!(mode(), 0o700);
    // A stale pidfile is everybody's to read, and so to lock.
    let pidfile = daemon.temp.path().join("pids/x.pid");
    daemon.kill();
    let lock = fs::File::open(&pidfile).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockShared).unwrap();
    daemon.ask("start").expect_code(0);
    let main = daemon.number("pid");
    assert_eq!(fs::read_to_string(&pidfile).unwrap(), format!("{main}\n"));
    assert_eq!(fs::metadata(&pidfile).unwrap().mode() & 0o777, 0o644);
    // A run-dir as well, and at the stop it is in nobody's way. Two jails that share one are another matter.
    let held = fs::File::open(daemon.run_dir()).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockShared).unwrap();
    daemon.ask("stop").expect_code(0);
    assert!(!daemon.run_dir().exists());
    // One whose process lives is no stale one, whoever has locked it.
    fs::write(&pidfile, format!("{}\n", std::process::id())).unwrap();
    let lock = fs::File::open(&pidfile).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockShared).unwrap();
    daemon.ask("start").expect_code(1).expect_stderr(&["already running, with pid"]);
    fs::remove_file(&pidfile).unwrap();
}

#[test]
fn a_run_dir_of_two_jails_goes_with_the_last_of_them() {
    need!(skip::namespaces());
    let _alone = alone();
    let daemon = Daemon::new("shared");
    let other = format!("{}-other", daemon.name);
    let profile = |name: &str| daemon.profiles.join(format!("{name}.toml"));
    let text = fs::read_to_string(profile(&daemon.name)).unwrap();
    fs::write(profile(&other), text.replace("x.pid", "y.pid")).unwrap();
    daemon.ask("start").expect_code(0);
    // It finds the directory, and makes none.
    daemon.thinjail(&["start", &other]).expect_code(0);
    daemon.ask("stop").expect_code(1).expect_stderr(&["it is in use"]);
    assert!(daemon.run_dir().exists());
    daemon.thinjail(&["stop", &other]).expect_code(0);
    daemon.ask("clean").expect_code(0);
    assert!(!daemon.run_dir().exists() && !daemon.journal().exists());
}

#[test]
fn after_sigkill_of_the_supervisor_at_random_moments_clean_leaves_nothing() {
    need!(skip::namespaces());
    let _alone = alone();
    let daemon = Daemon::new("random");
    let before = daemon.snapshot();
    let start = || {
        let mut command = Command::new(binary::thinjail());
        command.args(["start", &daemon.name]).env("THINJAIL_PROFILE_PATH", &daemon.profiles);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let begin = Instant::now();
    let mut child = start();
    child.wait().unwrap();
    let whole = begin.elapsed();
    daemon.ask("stop").expect_code(0);
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let (mut found, mut rounds) = (0, 0_u32);
    // How far a start has come at a moment depends on what else the machine does; enough of them have to be met.
    while rounds < 100 || (found <= 20 && rounds < 400) {
        let mut child = start();
        let caller = i32::try_from(child.id()).unwrap();
        let moment = whole.mul_f64(f64::from(rounds * 37 % 100) / 70.0);
        rounds += 1;
        let from = Instant::now();
        // A sleep is too coarse here.
        while from.elapsed() < moment {
            std::hint::spin_loop();
        }
        // The supervisor is the caller's child, or, once that has ended, the test's.
        let all = Process::below(own);
        let supervisor = all.iter().find(|process| process.name == "thinjail" && is_supervisor(process.pid));
        if let Some(pid) = supervisor.and_then(|supervisor| Pid::from_raw(supervisor.pid)) {
            let _ = kill_process(pid, Signal::KILL);
            found += 1;
        } else {
            let _ = kill_process(Pid::from_raw(caller).unwrap(), Signal::KILL);
        }
        child.wait().unwrap();
        // A supervisor whose caller was killed goes on.
        wait::until_true("all of it has ended", || {
            daemon.ask("stop").expect_code(0);
            !Process::below(own).iter().any(|process| process.name == "thinjail")
        });
        daemon.ask("clean").expect_code(0);
        daemon.assert_as(&before);
    }
    thinjail_tests::figures::show(&format!("{rounds} starts, {found} of their supervisors killed"));
    assert!(found > 20, "only {found} supervisors were met");
}

/// Whether it leads a session: the caller does not. Not by getsid(2), which tells 0, no `Pid`, of a session that was made outside
/// of our pid namespace or by the kernel at boot.
fn is_supervisor(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let session = stat.rsplit_once(')').and_then(|(_, after)| after.split_whitespace().nth(3));
    session == Some(&pid.to_string())
}
