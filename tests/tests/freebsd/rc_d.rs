//! Services of rc.d(8), by service(8) and sysrc(8), as an administrator has them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{send, thinjail};
use thinjail_tests::process::Process;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{binary, need, skip, wait};

const PROFILES: &str = "/usr/local/etc/thinjail";
const SCRIPTS: &str = "/usr/local/etc/rc.d";

/// What rc.subr(8) makes of every status of a command but 0.
const NO: i32 = 1;

/// A profile in its usual place, and what it needs there; gone at the end, and the services of the test with it.
struct Installed {
    names: Vec<&'static str>,
}

impl Installed {
    fn new(profiles: &[(&str, String)], names: &[&'static str]) -> Self {
        fs::create_dir_all(PROFILES).unwrap();
        fs::create_dir_all(SCRIPTS).unwrap();
        for (name, text) in profiles {
            fs::write(Path::new(PROFILES).join(format!("{name}.toml")), text).unwrap();
        }
        Self { names: names.to_vec() }
    }
}

const VARIABLES: [&str; 4] = ["enable", "profile", "pidfile", "flags"];

impl Drop for Installed {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("service").args([name, "onestop"]).output();
            let _ = fs::remove_file(Path::new(SCRIPTS).join(name));
            let _ = Command::new("sysrc").args(["-ix"]).args(VARIABLES.map(|of| format!("{name}_{of}"))).output();
        }
        for entry in fs::read_dir(PROFILES).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("tj") {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Says in a file of the host that it is up, again at each HUP, and stays.
fn profile(state: &str) -> String {
    let script = format!(
        "trap 'echo reloaded >>/var/db/{state}/said' HUP; echo up >>/var/db/{state}/said; while :; do sleep 0.1; done"
    );
    format!(
        "command = [\"/bin/sh\", \"-c\", \"{script}\"]\nprograms = [\"sleep\"]\nuser = \"nobody\"\nstate-dir = \"{state}\"\n\
         pidfile = \"/var/run/{state}.pid\"\nstop-timeout = \"5s\"\n"
    )
}

fn said(state: &str) -> Vec<String> {
    fs::read_to_string(format!("/var/db/{state}/said")).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn service(name: &str, action: &str) -> Output {
    Command::new("service").args([name, action]).output().unwrap()
}

#[track_caller]
fn does(name: &str, action: &str) -> String {
    let done = service(name, action);
    assert!(done.status.success(), "{name} {action}: {done:?}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[track_caller]
fn supervisor(state: &str) -> i32 {
    fs::read_to_string(format!("/var/run/{state}.pid")).unwrap().trim().parse().unwrap()
}

/// sysrc(8) is there with its library, which a base of one's own making may lack.
fn sysrc() -> Result<(), skip::Lack> {
    match Command::new("sysrc").args(["-n", "rc_conf_files"]).output() {
        Ok(asked) if asked.status.success() => Ok(()),
        _ => Err(skip::Lack::new("sysrc(8) does not work here")),
    }
}

/// Where `service` finds the binary that is tested.
fn is_where_root_alone_writes() -> Result<(), skip::Lack> {
    match binary::thinjail().to_str() {
        Some(path) if !path.contains(' ') => Ok(()),
        _ => Err(skip::Lack::new("rc.subr(8) takes no path with a blank in it")),
    }
}

#[test]
fn a_service_lives_by_service_8() {
    need!(skip::root());
    need!(skip::program("service"));
    need!(sysrc());
    need!(is_where_root_alone_writes());
    let _alone = alone();
    // A host without a port has none, and the test makes it.
    fs::create_dir_all(SCRIPTS).unwrap();
    let before = Snapshot::take(&[Path::new(SCRIPTS)]);
    let _ = fs::remove_dir_all("/var/db/tjone");
    let installed = Installed::new(&[("tjone", profile("tjone"))], &["tjone"]);

    let shown = thinjail(["enable", "tjone"]).run();
    shown.expect_code(0);
    assert!(shown.stdout.contains("+# KEYWORD: nojail shutdown\n"), "{}", shown.stdout);
    assert!(does("tjone", "rcvar").contains("tjone_enable=\"YES\""));
    assert_eq!(service("tjone", "status").status.code(), Some(NO));
    assert!(does("tjone", "describe").contains("tjone in a jail"));

    does("tjone", "start");
    wait::until_true("it is up", || said("tjone") == ["up"]);
    assert!(does("tjone", "status").contains("runs"));
    let first = supervisor("tjone");
    // The one is enough.
    let _ = service("tjone", "start");
    assert_eq!(supervisor("tjone"), first);
    does("tjone", "check");

    does("tjone", "reload");
    wait::until_true("it has heard the signal", || said("tjone") == ["up", "reloaded"]);
    assert_eq!(supervisor("tjone"), first);

    does("tjone", "restart");
    wait::until_true("it is up again", || said("tjone") == ["up", "reloaded", "up"]);
    assert_ne!(supervisor("tjone"), first);

    // A crash of the supervisor: no status says that it runs, and the next start takes back what was left.
    send(supervisor("tjone"), Signal::KILL);
    wait::until_true("the crash is seen", || !service("tjone", "status").status.success());
    does("tjone", "start");
    wait::until_true("it is up after the crash", || said("tjone").len() == 4);

    // What rc.shutdown(8) does, also where it is no more enabled.
    does("tjone", "faststop");
    assert!(!Path::new("/var/run/tjone.pid").exists());
    assert_eq!(service("tjone", "onestatus").status.code(), Some(NO));
    does("tjone", "stop");

    thinjail(["disable", "tjone"]).run().expect_code(0);
    assert!(!Path::new(SCRIPTS).join("tjone").exists());
    let left = Command::new("sysrc").args(["-c", "tjone_enable"]).output().unwrap();
    assert!(!left.status.success(), "{left:?}");
    drop(installed);
    fs::remove_file("/var/db/tjone/said").unwrap();
    fs::remove_dir("/var/db/tjone").unwrap();
    before.assert_same_now(&[Path::new(SCRIPTS)]);
}

#[test]
fn what_is_not_enabled_runs_by_onestart_and_obeys_rc_conf() {
    need!(skip::root());
    need!(skip::program("service"));
    need!(sysrc());
    need!(is_where_root_alone_writes());
    let _alone = alone();
    let profiles = [("tjtwo", profile("tjtwo")), ("tjother", profile("tjother"))];
    let _installed = Installed::new(&profiles, &["tjtwo"]);
    thinjail(["enable", "tjtwo"]).run().expect_code(0);
    let sysrc = |word: &str| assert!(Command::new("sysrc").arg(word).output().unwrap().status.success(), "{word}");
    sysrc("tjtwo_enable=NO");
    let _ = service("tjtwo", "start");
    assert_eq!(service("tjtwo", "onestatus").status.code(), Some(NO));
    does("tjtwo", "onestart");
    wait::until_true("it is up", || said("tjtwo") == ["up"]);
    does("tjtwo", "onestop");

    // Another profile, by a variable of its own.
    sysrc("tjtwo_profile=tjother");
    does("tjtwo", "onestart");
    wait::until_true("the other is up", || said("tjother") == ["up"]);
    assert_eq!(said("tjtwo"), ["up"]);
    does("tjtwo", "onestop");

    // Another pidfile, and flags, which stand upon the profile.
    sysrc("tjtwo_pidfile=/var/run/tjtwo_moved.pid");
    sysrc("tjtwo_flags=--log-dir tjtwo_flag");
    does("tjtwo", "onestart");
    let moved = supervisor("tjtwo_moved");
    assert!(does("tjtwo", "onestatus").contains("tjother") && Process::of(moved).is_some());
    assert!(
        Path::new("/var/log/tjtwo_flag").is_dir()
            && !Path::new("/var/run/tjtwo.pid").exists()
            && !Path::new("/var/run/tjother.pid").exists()
    );
    does("tjtwo", "onestop");
    fs::remove_dir("/var/log/tjtwo_flag").unwrap();
    assert!(!Path::new("/var/run/tjtwo_moved.pid").exists());
    assert_eq!(service("tjtwo", "onestatus").status.code(), Some(NO));
    thinjail(["disable", "tjtwo"]).run().expect_code(0);
    for state in ["tjtwo", "tjother"] {
        fs::remove_file(format!("/var/db/{state}/said")).unwrap();
        fs::remove_dir(format!("/var/db/{state}")).unwrap();
    }
}

#[test]
fn links_to_a_script_are_instances() {
    need!(skip::root());
    need!(skip::program("service"));
    need!(sysrc());
    need!(is_where_root_alone_writes());
    let _alone = alone();
    let instance = profile("tjweb-%i");
    let profiles = [("tjweb", profile("tjweb")), ("tjweb@", instance)];
    let _installed = Installed::new(&profiles, &["tjweb", "tjweb_a", "tjweb_b"]);
    thinjail(["enable", "tjweb"]).run().expect_code(0);
    for name in ["tjweb_a", "tjweb_b"] {
        std::os::unix::fs::symlink("tjweb", Path::new(SCRIPTS).join(name)).unwrap();
        does(name, "onestart");
    }
    for state in ["tjweb-a", "tjweb-b"] {
        wait::until_true("the instance is up", || said(state) == ["up"]);
    }
    assert_eq!(service("tjweb", "onestatus").status.code(), Some(NO), "the script's own name runs nothing");
    does("tjweb_a", "onestop");
    assert_eq!(service("tjweb_a", "onestatus").status.code(), Some(NO));
    assert!(does("tjweb_b", "onestatus").contains("runs"));
    does("tjweb_b", "onestop");
    for name in ["tjweb_a", "tjweb_b"] {
        fs::remove_file(Path::new(SCRIPTS).join(name)).unwrap();
    }
    thinjail(["disable", "tjweb"]).run().expect_code(0);
    for state in ["tjweb-a", "tjweb-b"] {
        fs::remove_file(format!("/var/db/{state}/said")).unwrap();
        fs::remove_dir(format!("/var/db/{state}")).unwrap();
    }
}

#[test]
fn rc_shutdown_stops_services_and_instances() {
    need!(skip::root());
    need!(skip::program("rcorder"));
    need!(sysrc());
    need!(is_where_root_alone_writes());
    let _alone = alone();
    // The host's own, but for which scripts it is about, since it would stop all of this machine; and without what kills it if it
    // takes too long, which outlives it where there is no pkill(1).
    let own = fs::read_to_string("/etc/rc.shutdown").unwrap_or_default();
    let ours = format!("{SCRIPTS}/tjdown {SCRIPTS}/tjdown_a");
    let text = own.replace("/etc/rc.d/* ${local_rc}", &ours);
    let text = text.replace("\nload_rc_config\n", "\nload_rc_config\nrcshutdown_timeout=\n");
    need!(if text == own { Err(skip::Lack::new("rc.shutdown(8) is another one here")) } else { Ok(()) });
    let profiles = [("tjdown", profile("tjdown")), ("tjdown@", profile("tjdown-%i"))];
    let _installed = Installed::new(&profiles, &["tjdown", "tjdown_a"]);
    let before = Snapshot::take(&[]);
    thinjail(["enable", "tjdown"]).run().expect_code(0);
    std::os::unix::fs::symlink("tjdown", Path::new(SCRIPTS).join("tjdown_a")).unwrap();
    does("tjdown", "start");
    does("tjdown_a", "onestart");
    for state in ["tjdown", "tjdown-a"] {
        wait::until_true("it is up", || said(state) == ["up"]);
    }
    let temp = TempDir::new();
    let begin = Instant::now();
    let done = Command::new("/bin/sh").arg(temp.file("rc.shutdown", text)).arg("reboot").output().unwrap();
    assert!(done.status.success(), "{done:?}");
    // What rcshutdown_timeout is by default.
    assert!(begin.elapsed() < Duration::from_secs(90), "{:?}", begin.elapsed());
    for name in ["tjdown", "tjdown_a"] {
        assert_eq!(service(name, "onestatus").status.code(), Some(NO), "{done:?}");
    }
    for state in ["tjdown", "tjdown-a"] {
        assert!(!Path::new(&format!("/var/run/{state}.pid")).exists(), "{done:?}");
        fs::remove_file(format!("/var/db/{state}/said")).unwrap();
        fs::remove_dir(format!("/var/db/{state}")).unwrap();
    }
    fs::remove_file(Path::new(SCRIPTS).join("tjdown_a")).unwrap();
    thinjail(["disable", "tjdown"]).run().expect_code(0);
    before.assert_same_now(&[]);
}

#[test]
fn what_a_reload_is_refused_for_is_told_by_service_8() {
    need!(skip::root());
    need!(skip::program("service"));
    need!(sysrc());
    need!(is_where_root_alone_writes());
    let _alone = alone();
    let check = "before-reload = [\"/bin/sh -c 'read line </var/db/tjcheck/config; echo config is $line; test $line = good'\"]\n";
    let _installed = Installed::new(&[("tjcheck", profile("tjcheck") + check)], &["tjcheck"]);
    thinjail(["enable", "tjcheck"]).run().expect_code(0);
    does("tjcheck", "start");
    wait::until_true("it is up", || said("tjcheck") == ["up"]);
    for (config, code, heard) in [("bad", NO, 1), ("good", 0, 2)] {
        fs::write("/var/db/tjcheck/config", format!("{config}\n")).unwrap();
        let done = service("tjcheck", "reload");
        let text = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(code), "{done:?}");
        assert!(text.contains(&format!("config is {config}")), "{done:?}");
        wait::until_true("what it has heard", || said("tjcheck").len() == heard);
    }
    thinjail(["disable", "--now", "tjcheck"]).run().expect_code(0);
    fs::remove_dir_all("/var/db/tjcheck").unwrap();
}
