//! Services as Debian ships them, adopted and put back: they serve before, while and after, and every file is as it was.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use thinjail_tests::client::listens;
use thinjail_tests::jail::send;
use thinjail_tests::process::Process;
use thinjail_tests::skip::Lack;
use thinjail_tests::{binary, need, wait};

use crate::daemon::{Daemon, NGINX, NGIRCD, REDIS};
use crate::etc;
use crate::system::{System, tells};

/// In emulation everything takes its time.
const PATIENCE: Duration = Duration::from_secs(100);

/// The init system that runs, if its services can be adopted; the others are asked for in a test of their own.
fn here() -> Result<Option<System>, Lack> {
    Ok(Some(System::here()?).filter(|system| matches!(system, System::Systemd | System::SysV)))
}

fn pids(daemon: Daemon) -> Vec<Process> {
    let is = |process: &Process| process.exe().is_some_and(|exe| exe.to_str() == Some(daemon.program));
    Process::all().into_iter().filter(is).collect()
}

/// It serves, and all of its processes are in a jail, or none is.
#[track_caller]
fn serves(daemon: Daemon, jailed: bool) -> Vec<i32> {
    let own = Process::of(std::process::id().try_into().unwrap()).unwrap().namespace("pid");
    let found = wait::poll(PATIENCE, || {
        let all = pids(daemon);
        let right = all.iter().all(|process| (process.namespace("pid") != own) == jailed);
        (right && !all.is_empty() && listens(daemon.port)).then_some(all)
    });
    let Some(found) = found else { panic!("jailed {jailed} is not so: {:?}", pids(daemon)) };
    daemon.answers();
    found.iter().map(|process| process.pid).collect()
}

/// The service as it is shipped, and all there is to compare with.
struct Shipped {
    system: System,
    daemon: Daemon,
    etc: std::collections::BTreeMap<String, String>,
    mounts: String,
}

impl Shipped {
    #[track_caller]
    fn started(system: System, daemon: Daemon) -> Self {
        system.does("start", daemon.service);
        serves(daemon, false);
        Self { system, daemon, etc: etc::now(), mounts: fs::read_to_string("/proc/self/mountinfo").unwrap() }
    }

    /// It serves without a jail, and nothing else is left.
    #[track_caller]
    fn is_back(&self) {
        serves(self.daemon, false);
        etc::assert_same(&self.etc, &etc::now());
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), self.mounts);
        let ours = |process: &Process| process.exe().is_some_and(|exe| exe.ends_with("thinjail"));
        let ended = wait::poll(PATIENCE, || (!Process::all().iter().any(ours)).then_some(()));
        assert!(ended.is_some(), "one of ours is left");
        let left: Vec<_> = fs::read_dir("/run/thinjail").into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[track_caller]
    fn stops(self) {
        self.system.does("stop", self.daemon.service);
        let ended = wait::poll(PATIENCE, || pids(self.daemon).is_empty().then_some(()));
        assert!(ended.is_some(), "{:?} does not stop", self.daemon);
    }
}

fn life(system: System, daemon: Daemon) {
    let name = daemon.service;
    let shipped = Shipped::started(system, daemon);
    let first = serves(daemon, false);

    // Shown, and nothing done.
    let shown = tells(&["adopt", "--dry-run", name]).run();
    shown.expect_code(0);
    // Upon the shipped one, if there is one.
    let use_of = match daemon.profile {
        "" => format!("+command = [\"{}\"", daemon.program),
        profile => format!("+use = \"{profile}\""),
    };
    for part in ["+++ /etc/thinjail/", &use_of, "jail ", "$ "] {
        assert!(shown.stdout.contains(part), "no {part:?} in {}", shown.stdout);
    }
    // ngircd has a process for each guest that it looks up.
    assert_eq!(serves(daemon, false)[0], first[0]);
    shipped.is_back();

    let done = tells(&["adopt", name]).run();
    done.expect_code(0).expect_stderr(&["runs in a jail", &format!("{}/tcp", daemon.port), "--undo"]);
    let main = serves(daemon, true);
    let again = tells(&["adopt", name]).run();
    again.expect_code(1).expect_stderr(&["is adopted already", "--undo"]);

    // By the commands of the init system, as ever.
    // ngircd looks each guest up in a process that has its port too, and a reload then can't open that anew.
    if daemon.port == 80 {
        system.does("reload", name);
        assert!(serves(daemon, true).contains(&main[0]), "a reload is no restart");
        daemon.rotates(None);
        assert!(serves(daemon, true).contains(&main[0]), "nor is a rotation");
    }
    system.does("restart", name);
    assert!(!serves(daemon, true).contains(&main[0]));
    system.does("status", name);
    let killed = serves(daemon, true);
    if daemon.port != 80 || system == System::SysV {
        // Debian's unit of nginx does not start it again. ngircd leaves those that look its guests up, which are not it.
        send(killed[0], Signal::KILL);
        let another = wait::poll(PATIENCE, || {
            pids(daemon).first().filter(|process| !killed.contains(&process.pid)).map(|process| process.pid)
        });
        assert!(another.is_some(), "it is not started again");
        serves(daemon, true);
    }
    system.does("stop", name);
    assert!(!listens(daemon.port));
    // As a boot does.
    let run = Path::new(daemon.pidfile).parent().unwrap();
    if run != Path::new("/run") {
        let _ = fs::remove_dir_all(run);
    }
    system.does("start", name);
    serves(daemon, true);

    tells(&["adopt", "--undo", name]).run().expect_code(0);
    shipped.is_back();
    tells(&["adopt", "--undo", name]).run().expect_code(1).expect_stderr(&["was not adopted"]);
    shipped.is_back();
    shipped.stops();
}

#[test]
fn nginx_is_adopted_and_put_back() {
    if let Some(system) = need!(here()) {
        life(system, NGINX);
    }
}

#[test]
fn redis_is_adopted_and_put_back() {
    if let Some(system) = need!(here()) {
        life(system, REDIS);
    }
}

#[test]
fn a_service_without_a_shipped_profile_is_adopted_and_put_back() {
    if let Some(system) = need!(here()) {
        life(system, NGIRCD);
    }
}

/// A profile of the administrator's, which is the one that is used.
fn written(text: &str) {
    fs::create_dir_all("/etc/thinjail").unwrap();
    fs::write("/etc/thinjail/nginx.toml", text).unwrap();
}

#[test]
fn what_is_not_healthy_is_put_back_with_the_reason() {
    let Some(system) = need!(here()) else { return };
    let _ = fs::remove_dir_all("/etc/thinjail");
    // One that runs, but nobody reaches it; and one that ends at once.
    for (text, reason) in [
        ("use = \"nginx\"\nnetwork = \"none\"\n", "it does not listen on 80/tcp, as it did before"),
        (
            "use = \"nginx\"\ncommand = [\"/usr/sbin/nginx\", \"-c\", \"/etc/nginx/none\", \"-g\", \"daemon off;\"]\n",
            // Its own words, which sysvinit keeps nowhere.
            if system == System::SysV { "open() \"/etc/nginx/none\" failed" } else { "nginx" },
        ),
    ] {
        written(text);
        let shipped = Shipped::started(system, NGINX);
        let done = tells(&["adopt", "--wait=5", "nginx"]).run();
        done.expect_code(1).expect_stderr(&[reason, "nginx is put back", "nginx is as it was, and runs"]);
        shipped.is_back();
        shipped.stops();
    }
    // What would not start at all is not even tried.
    written("use = \"nginx\"\ncommand = \"/nonexistent\"\n");
    let shipped = Shipped::started(system, NGINX);
    let first = serves(NGINX, false);
    tells(&["adopt", "nginx"]).run().expect_code(1).expect_stderr(&["/nonexistent"]);
    assert_eq!(serves(NGINX, false), first);
    shipped.is_back();
    shipped.stops();
    fs::remove_dir_all("/etc/thinjail").unwrap();
}

#[test]
fn an_adoption_that_was_killed_can_be_undone() {
    let Some(system) = need!(here()) else { return };
    let shipped = Shipped::started(system, NGINX);
    let record = Path::new("/var/lib/thinjail/adopted/nginx.json");
    for later in [0, 50, 150, 400, 1000, 2500] {
        let mut adopting = Command::new(binary::thinjail())
            .args(["adopt", "nginx"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        assert!(wait::poll(PATIENCE, || record.exists().then_some(())).is_some(), "nothing was kept");
        std::thread::sleep(Duration::from_millis(later));
        adopting.kill().unwrap();
        adopting.wait().unwrap();
        let again = tells(&["adopt", "nginx"]).run();
        again.expect_code(1).expect_stderr(&["--undo"]);
        tells(&["adopt", "--undo", "nginx"]).run().expect_code(0);
        shipped.is_back();
    }
    shipped.stops();
}

#[test]
fn a_file_that_was_changed_meanwhile_stays() {
    let Some(system) = need!(here()) else { return };
    let shipped = Shipped::started(system, NGINX);
    tells(&["adopt", "nginx"]).run().expect_code(0);
    serves(NGINX, true);
    let profile = "/etc/thinjail/nginx.toml";
    let mine = fs::read_to_string(profile).unwrap() + "# mine\n";
    fs::write(profile, &mine).unwrap();
    let undone = tells(&["adopt", "--undo", "nginx"]).run();
    undone.expect_code(1).expect_stderr(&[profile, "has been changed since thinjail wrote it, and stays"]);
    assert_eq!(fs::read_to_string(profile).unwrap(), mine);
    fs::remove_dir_all("/etc/thinjail").unwrap();
    shipped.is_back();
    shipped.stops();
}

#[test]
fn what_is_written_around_the_lines_of_a_script_stays() {
    let Some(System::SysV) = need!(here()) else { return };
    let file = "/etc/default/nginx";
    let was = fs::read_to_string(file).unwrap();
    let shipped = Shipped::started(System::SysV, NGINX);
    tells(&["adopt", "nginx"]).run().expect_code(0);
    fs::write(file, format!("# above\n{}# below\n", fs::read_to_string(file).unwrap())).unwrap();
    tells(&["adopt", "--undo", "nginx"]).run().expect_code(0);
    assert_eq!(fs::read_to_string(file).unwrap(), format!("# above\n{was}# below\n"));
    fs::write(file, was).unwrap();
    shipped.is_back();
    shipped.stops();
}

#[test]
fn an_init_system_whose_services_are_not_adopted_is_named() {
    let system = need!(System::here());
    let before = etc::now();
    let name = match system {
        System::Systemd | System::SysV => "no-such-service",
        System::OpenRc | System::Runit => "nginx",
    };
    let why = match system {
        System::Systemd => "there is no service no-such-service",
        System::SysV => "read /etc/init.d/no-such-service",
        System::OpenRc => "here runs openrc",
        System::Runit => "here runs runit",
    };
    tells(&["adopt", name]).run().expect_code(1).expect_stderr(&[why, "help: "]);
    etc::assert_same(&before, &etc::now());
}

/// What a README shows of commands that root types, each with what it prints.
fn screen(readme: &str, first: &str) -> Vec<(String, String)> {
    let block = readme.split("```").find(|block| block.starts_with(&format!("console\n# {first}\n"))).unwrap();
    let commands = block.split("\n# ").skip(1);
    commands.map(|shown| shown.split_once('\n').unwrap()).map(|(line, said)| (line.into(), said.into())).collect()
}

/// Without what is another each time, and without the width of columns.
fn constant(table: &str) -> Vec<Vec<&str>> {
    let number = |word: &&str| word.chars().all(|c| c.is_ascii_digit());
    table.lines().map(|line| line.split_whitespace().filter(|word| !number(word)).collect()).collect()
}

#[test]
fn the_screen_of_an_adoption_in_the_readme_is_what_is_printed() {
    let Some(System::Systemd) = need!(here()) else { return };
    let shipped = Shipped::started(System::Systemd, NGINX);
    let own = binary::thinjail().canonicalize().unwrap();
    let screen = screen(include_str!("../../../README.md"), "thinjail adopt nginx");
    let lines: Vec<&str> = screen.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(lines, ["thinjail adopt nginx", "thinjail list", "thinjail adopt --undo nginx"]);
    for (line, shown) in screen {
        let words: Vec<&str> = line.split(' ').skip(1).collect();
        let done = tells(&words).run();
        done.expect_code(0);
        // What it does is shown before it is done, and what came of it is said on standard error.
        let said = format!("{}{}", done.stdout, done.stderr);
        let shown = format!("{}\n", shown.trim_end());
        match words[0] {
            "list" => assert_eq!(constant(&said), constant(&shown)),
            _ => assert_eq!(said.replace(own.to_str().unwrap(), "/usr/local/bin/thinjail"), shown),
        }
    }
    shipped.is_back();
    shipped.stops();
}
