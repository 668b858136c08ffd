//! Files of the host that are replaced under a running jail: what is stale, and what is swapped.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use thinjail_plan::step::Step;
use thinjail_sys::linux::process::{CloneFlags, unshare};
use thinjail_tests::host::alone;
use thinjail_tests::jail::{Finished, thinjail};
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip, wait};

/// A mount namespace of this thread and what it starts: what is mounted in it nobody else sees.
struct Mounts(Vec<PathBuf>);

impl Mounts {
    fn private() -> Self {
        unshare(CloneFlags::NEWNS).unwrap();
        mount(&["--make-rprivate", "/"]);
        Self(Vec::new())
    }

    /// Lays memory over a directory of the host, in which files can then be replaced.
    fn overlay(&mut self, directory: &Path, temp: &TempDir) {
        let memory = temp.dir("memory");
        mount(&["-t", "tmpfs", "tmpfs", &memory.display().to_string()]);
        self.0.push(memory);
        let (upper, work) = (temp.dir("memory/upper"), temp.dir("memory/work"));
        let how = format!("lowerdir={},upperdir={},workdir={}", directory.display(), upper.display(), work.display());
        mount(&["-t", "overlay", "-o", &how, "overlay", &directory.display().to_string()]);
        self.0.push(directory.to_owned());
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for at in self.0.iter().rev() {
            let _ = Command::new("umount").arg("-l").arg(at).status();
        }
    }
}

fn mount(words: &[&str]) {
    let done = Command::new("mount").args(words).output().unwrap();
    assert!(done.status.success(), "mount {words:?}: {done:?}");
}

/// As a package manager does it: written beside it, then moved over it.
fn replace(path: &Path, content: &[u8]) {
    let new = path.with_extension("dpkg-new");
    fs::write(&new, content).unwrap();
    fs::set_permissions(&new, fs::metadata(path).unwrap().permissions()).unwrap();
    fs::rename(&new, path).unwrap();
}

struct Jail {
    name: String,
    profiles: PathBuf,
}

impl Jail {
    fn new(temp: &TempDir, what: &str, toml: &str) -> Self {
        let name = format!("changes-{what}-{}", std::process::id());
        Self { profiles: temp.profile(&name, toml), name }
    }

    fn ask(&self, words: &[&str]) -> Finished {
        thinjail(words).args([&self.name]).profiles(&self.profiles).run()
    }

    fn main(&self) -> i32 {
        let json: serde_json::Value = serde_json::from_str(&self.ask(&["status", "--json"]).stdout).unwrap();
        json["pid"].as_i64().unwrap().try_into().unwrap()
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        self.ask(&["stop"]);
    }
}

#[test]
fn an_upgraded_library_is_stale_with_its_package_until_a_restart() {
    need!(skip::namespaces());
    need!(skip::program("dpkg"));
    let redis = need!(skip::program("redis-server"));
    let _alone = alone();
    let temp = TempDir::new();
    let more = temp.file("more", "x").display().to_string();
    let toml = format!(
        "command = [\"{}\", \"--port\", \"0\", \"--unixsocket\", \"/tmp/socket\", \"--save\", \"\"]\nuser = \"redis\"\n\
         tmp = true\nread = [\"{}\"]\n",
        redis.display(),
        more
    );
    let jail = Jail::new(&temp, "library", &toml);
    let plan = thinjail(["plan", "--json", &jail.name]).profiles(&jail.profiles).plan();
    let mut places = plan.inside.iter().filter_map(|planned| match &planned.step {
        Step::Bind { source, .. } => Some(PathBuf::from(source.path.as_str())),
        _ => None,
    });
    let library = places.find(|path| path.ends_with("libssl.so.3")).expect("redis needs libssl.so.3");
    let mut mounts = Mounts::private();
    mounts.overlay(library.parent().unwrap(), &temp);
    jail.ask(&["start"]).expect_code(0);
    let main = jail.main();
    wait::until_true("the loader has mapped it", || {
        fs::read_to_string(format!("/proc/{main}/maps")).is_ok_and(|maps| maps.contains("libssl.so.3"))
    });
    let fresh = jail.ask(&["status"]);
    assert!(!fresh.expect_code(0).stdout.contains("stale: "), "{}", fresh.stdout);

    let content = fs::read(&library).unwrap();
    replace(&library, &content);
    // Not loaded by anybody: it is put there anew, and not stale then.
    replace(&temp.path().join("more"), b"y");
    let expected = format!("stale: {} (package libssl3)", library.display());
    wait::until_true("only what is loaded is stale", || {
        let stale = jail.ask(&["status"]);
        stale.expect_code(0).stdout.lines().filter(|line| line.starts_with("stale: ")).eq([&expected])
    });
    let json: serde_json::Value = serde_json::from_str(&jail.ask(&["status", "--json"]).stdout).unwrap();
    assert_eq!(json["stale"][0]["package"], "libssl3", "{json}");

    // A command that loads it would get the old one: an error before anything; others run.
    let exec = |words: &[&str]| thinjail(["exec", &jail.name]).args(words).profiles(&jail.profiles).run();
    exec(&["openssl", "version"]).expect_code(125).expect_stderr(&["an older file at", "restart the jail"]);
    assert_eq!(exec(&["cat", &more]).expect_code(0).stdout, "y", "as the daemon has it");

    // What is taken away altogether is no better.
    fs::remove_file(&library).unwrap();
    assert_eq!(jail.ask(&["status"]).stdout.matches("stale: ").count(), 1);
    fs::write(&library, &content).unwrap();

    jail.ask(&["stop"]).expect_code(0);
    jail.ask(&["start"]).expect_code(0);
    let after = jail.ask(&["status"]);
    assert!(!after.expect_code(0).stdout.contains("stale: "), "{}", after.stdout);
    exec(&["openssl", "version"]).expect_code(0);
}
