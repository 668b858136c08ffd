//! Files that a jail has by themselves, and that are replaced on the host: the jail has the new ones, and nothing else.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use thinjail_tests::figures::show;
use thinjail_tests::host::alone;
use thinjail_tests::jail::{Finished, thinjail};
use thinjail_tests::temp::{TempDir, chmod};
use thinjail_tests::{need, skip, wait};

const BUSYBOX: &str = "/usr/bin/busybox";
const NOBODY: u32 = 65_534;

/// A jail that runs a script of busybox's, and its directory `data`, which it may write to.
struct Jail {
    temp: TempDir,
    profiles: PathBuf,
    name: String,
}

impl Jail {
    fn start(what: &str, script: &str, keys: &str, temp: TempDir) -> Self {
        let name = format!("refresh-{what}-{}", std::process::id());
        let dir = temp.path().display().to_string();
        let toml = format!(
            "command = [\"{BUSYBOX}\", \"sh\", \"-c\", {script:?}]\nprograms = [\"sleep\", \"cat\", \"mv\", \"mkdir\", \"grep\"]\nuser = \"root\"\n\
             write = [\"{dir}/data\"]\n{keys}"
        );
        temp.dir("data");
        let profiles = temp.profile(&name, &toml.replace("DIR", &dir));
        let jail = Self { temp, profiles, name };
        jail.ask(&["start"]).expect_code(0);
        jail
    }

    fn ask(&self, words: &[&str]) -> Finished {
        thinjail(words).args([&self.name]).profiles(&self.profiles).run()
    }

    fn data(&self, name: &str) -> String {
        fs::read_to_string(self.temp.path().join("data").join(name)).unwrap_or_default()
    }

    /// What a command inside sees, by the jail's own mounts.
    fn cat(&self, path: &str) -> String {
        thinjail(["exec", &self.name, "cat", path]).profiles(&self.profiles).run().expect_code(0).stdout.clone()
    }

    fn stale(&self) -> bool {
        self.ask(&["status"]).expect_code(0).stdout.contains("stale: ")
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        self.ask(&["stop"]);
    }
}

/// As editors, DHCP clients and package managers do it.
fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(&new, path).unwrap();
}

fn own(path: &Path, uid: u32) {
    let (user, group) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(uid));
    rustix::fs::chownat(rustix::fs::CWD, path, Some(user), Some(group), rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Puts what stands at a path back.
struct Back(&'static str, String);

impl Drop for Back {
    fn drop(&mut self) {
        replace(Path::new(self.0), &self.1);
    }
}

#[test]
fn a_resolv_conf_that_is_replaced_by_rename_is_seen_inside_within_a_second() {
    need!(skip::namespaces());
    let _alone = alone();
    let path = Path::new("/etc/resolv.conf");
    // Where it is a mount of a container's, nobody can rename over it.
    let plain = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
    let text = fs::read_to_string(path).unwrap_or_default();
    if !plain || fs::copy(path, "/etc/resolv.new").and_then(|_| fs::rename("/etc/resolv.new", path)).is_err() {
        let _ = fs::remove_file("/etc/resolv.new");
        need!(Err::<(), _>(skip::Lack::new("an /etc/resolv.conf that can be replaced")));
    }
    let _back = Back("/etc/resolv.conf", text);
    let script = "while :; do cat /etc/resolv.conf >DIR/data/seen~; mv DIR/data/seen~ DIR/data/seen; sleep 0.02; done";
    let temp = TempDir::new();
    let script = script.replace("DIR", &temp.path().display().to_string());
    let jail = Jail::start("resolv", &script, "etc = [\"resolv.conf\"]\n", temp);
    wait::until_true("it has read the first one", || !jail.data("seen").is_empty());
    let mut times = Vec::new();
    for round in 0..5 {
        let text = format!("nameserver 192.0.2.{round}\n");
        replace(path, &text);
        let begin = Instant::now();
        wait::until_true("it is seen inside", || jail.data("seen") == text);
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    show(&format!("resolv.conf replaced five times: seen inside after {times:.0?}"));
    // Not each of them: a machine has other things to do now and then.
    assert!(times[2] < Duration::from_secs(1), "{times:?}");
    wait::until_true("it is not stale", || !jail.stale());
}

#[test]
fn a_file_that_is_replaced_without_end_is_never_said_to_be_moved_away_by_the_jail() {
    need!(skip::namespaces());
    let _alone = alone();
    let temp = TempDir::new();
    let conf = temp.file("conf", "0");
    let jail = Jail::start("often", "exec sleep 1000", "read = [\"DIR/conf\"]\n", temp);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let mut told = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                round += 1;
                replace(&conf, &format!("{round}\n"));
            }
        });
        for _ in 0..60 {
            let asked = jail.ask(&["refresh"]);
            if asked.code() != Some(0) {
                told.push(asked.stderr.clone());
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let honest = |text: &String| {
        ["replaced", "taken its place", "all the time", "removed while", "no such file"]
            .iter()
            .any(|word| text.to_lowercase().contains(word))
    };
    show(&format!("60 refreshes of a file that is replaced without end: {} did not get hold of one", told.len()));
    assert!(told.iter().all(|text| honest(text) && !text.contains("moved it away")), "{told:?}");
    // Once that is over it is as ever.
    replace(&conf, "last\n");
    jail.ask(&["refresh"]).expect_code(0);
    assert_eq!(jail.cat(&conf.display().to_string()), "last\n");
}

#[test]
fn a_swapped_file_is_as_restricted_as_the_one_before_and_there_is_no_moment_without_it() {
    need!(skip::namespaces());
    let _alone = alone();
    let temp = TempDir::new();
    let conf = temp.file("conf", "0");
    // Reads without end, and tells of each time that there was nothing; then what it can do with it.
    let script = "cd DIR; while [ ! -e data/stop ]; do x=; read x <conf; [ \"$x\" ] || echo gap >>data/gaps; done
                  cat /proc/self/mountinfo >data/mounts; echo x 2>/dev/null >conf && echo written >data/written; echo end >data/end; exec sleep 1000";
    let script = script.replace("DIR", &temp.path().display().to_string());
    let jail = Jail::start("gap", &script, "read = [\"DIR/conf\"]\n", temp);
    for round in 0..30 {
        replace(&conf, &format!("{round}\n"));
        jail.ask(&["refresh"]).expect_code(0);
        assert_eq!(jail.ask(&["refresh"]).expect_code(0).stdout, "", "it has that one already");
    }
    fs::write(jail.temp.path().join("data/stop"), "").unwrap();
    wait::until_true("it has ended", || jail.data("end") == "end\n");
    let mounts = jail.data("mounts");
    let own: Vec<&str> = mounts.lines().filter(|line| line.contains("/conf ")).collect();
    show(&format!(
        "30 files swapped under a reader: {} times there was none, {} mounts are left of it",
        jail.data("gaps").lines().count(),
        own.len()
    ));
    let last = own.last().expect("it is a mount");
    assert!(
        ["ro", "nosuid", "nodev"].iter().all(|word| last.split(' ').nth(5).unwrap().split(',').any(|has| has == *word)),
        "{last}"
    );
    assert_eq!((own.iter().all(|line| line.contains(" ro,")), jail.data("written")), (true, String::new()), "{mounts}");
    // Before Linux 6.5 there is a moment with neither.
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map(|word| word.parse::<u32>().unwrap_or(0));
    let beneath = (numbers.next(), numbers.next()) >= (Some(6), Some(5));
    assert_eq!(own.len(), 1, "{mounts}");
    assert!(!beneath || jail.data("gaps").is_empty(), "{}", jail.data("gaps"));
    assert_eq!(jail.cat(&conf.display().to_string()), "29\n");
}

#[test]
fn a_link_that_somebody_else_has_pointed_at_a_file_of_root_s_brings_in_nothing() {
    need!(skip::namespaces());
    let _alone = alone();
    let temp = TempDir::new();
    chmod(temp.path(), 0o755);
    let home = temp.dir("home");
    let (link, mine) = (home.join("link"), temp.file("home/mine", "mine"));
    let vault = temp.file("vault", "secret");
    chmod(&vault, 0o600);
    std::os::unix::fs::symlink(&mine, &link).unwrap();
    [&home, &link, &mine].into_iter().for_each(|path| own(path, NOBODY));
    let jail = Jail::start("link", "exec sleep 1000", "read = [\"DIR/home/link\"]\n", temp);
    let seen = || jail.cat(&link.display().to_string());
    assert_eq!(seen(), "mine");
    // To another of his: that is his to do.
    let other = jail.temp.file("home/other", "other");
    own(&other, NOBODY);
    let point = |to: &Path| {
        let new = home.join("new");
        std::os::unix::fs::symlink(to, &new).unwrap();
        own(&new, NOBODY);
        fs::rename(&new, &link).unwrap();
    };
    point(&other);
    wait::until_true("it is the other one", || seen() == "other");
    point(&vault);
    let said = jail.ask(&["refresh"]);
    said.expect_code(1).expect_stderr(&["the link", "so it could be pointed anywhere"]);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(seen(), "other");
    assert!(jail.ask(&["logs"]).stdout.contains("so it could be pointed anywhere"), "{:?}", jail.ask(&["logs"]));
    // Nor by a name of his for it.
    fs::remove_file(&link).unwrap();
    jail.ask(&["refresh"]).expect_code(1).expect_stderr(&["does not exist"]);
    assert_eq!(seen(), "other");
}

#[test]
fn what_the_jail_has_moved_away_gets_nothing_and_nothing_is_mounted_elsewhere() {
    need!(skip::namespaces());
    let _alone = alone();
    let temp = TempDir::new();
    temp.dir("data");
    temp.dir("data/sub");
    let (conf, point) = (temp.file("conf", "first"), temp.file("data/sub/conf", "point"));
    // It may rename the directory that its file is mounted in, and put another one in its place.
    let script = "cd DIR/data && mv sub away && mkdir sub && echo own >sub/conf && echo done >moved; exec sleep 1000"
        .replace("DIR", &temp.path().display().to_string());
    let keys = "[[mount]]\nsource = \"DIR/conf\"\ntarget = \"DIR/data/sub/conf\"\n";
    let jail = Jail::start("moved", &script, keys, temp);
    wait::until_true("it has moved it", || jail.data("moved") == "done\n");
    replace(&conf, "second");
    jail.ask(&["refresh"]).expect_code(1).expect_stderr(&["the jail has moved it away: restart the jail"]);
    assert_eq!(jail.cat(&point.display().to_string()), "own\n");
    assert_eq!((jail.data("sub/conf"), jail.data("away/conf")), ("own\n".into(), "point".into()), "on the host");
}

#[test]
fn reload_on_change_reloads_after_a_swap_and_after_a_file_was_written_in_its_place() {
    need!(skip::namespaces());
    let _alone = alone();
    let temp = TempDir::new();
    let (conf, beside) = (temp.file("conf", "0"), temp.dir("beside"));
    let script = "cd DIR; trap 'cat conf >>data/told' HUP; echo up >data/up; while :; do sleep 0.05; done";
    let script = script.replace("DIR", &temp.path().display().to_string());
    let keys = "read = [\"DIR/conf\", \"DIR/beside\"]\nreload-on-change = true\n\
                before-reload = [\"grep -q ^good DIR/conf\"]\n";
    let jail = Jail::start("reload", &script, keys, temp);
    wait::until_true("it is up", || !jail.data("up").is_empty());
    replace(&conf, "good 1\n");
    wait::until_true("it is told of another file", || jail.data("told") == "good 1\n");
    fs::write(&conf, "good 2\n").unwrap();
    wait::until_true("it is told of another content", || jail.data("told") == "good 1\ngood 2\n");
    // What its check refuses it hears nothing of; nor of files that are not its own.
    replace(&conf, "bad\n");
    wait::until_true("it is refused", || jail.ask(&["logs"]).stdout.contains("before-reload"));
    fs::write(beside.join("x"), "x").unwrap();
    fs::write(conf.with_file_name("other"), "x").unwrap();
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(jail.data("told"), "good 1\ngood 2\n");
    assert_eq!(jail.ask(&["status"]).stdout.matches("stale").count(), 0);
}

#[test]
fn a_secret_is_copied_anew_for_the_user_that_runs_and_nobody_else() {
    need!(skip::namespaces());
    let _alone = alone();
    let temp = TempDir::new();
    let key = temp.file("key", "first");
    chmod(&key, 0o600);
    let jail = Jail::start("secret", "exec sleep 1000", "secrets = [\"DIR/key\"]\n", temp);
    let path = key.display().to_string();
    assert_eq!(jail.cat(&path), "first");
    replace(&key, "second");
    wait::until_true("it is the second", || jail.cat(&path) == "second");
    fs::write(&key, "third").unwrap();
    assert_eq!(jail.ask(&["refresh"]).expect_code(0).stdout, format!("{path}\n"));
    assert_eq!(jail.cat(&path), "third");
    let listed = thinjail(["exec", &jail.name, "stat", "-c", "%a %u %n", &path]).profiles(&jail.profiles).run();
    assert_eq!(listed.expect_code(0).stdout, format!("400 0 {path}\n"));
}

#[test]
fn nobody_is_refreshed_who_does_not_run() {
    need!(skip::namespaces());
    thinjail(["refresh", "no-such-jail"]).run().expect_code(7).expect_stderr(&["no-such-jail does not run"]);
}
