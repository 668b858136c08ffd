//! A jail of a profile of its own, for each test.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use thinjail_tests::host::Snapshot;
use thinjail_tests::jail::{Finished, Thinjail, send, thinjail};
use thinjail_tests::temp::TempDir;

pub(crate) const BUSYBOX: &str = "/usr/bin/busybox";

/// A named jail.
pub(crate) struct Jail {
    pub(crate) temp: TempDir,
    profiles: PathBuf,
    pub(crate) name: String,
}

impl Jail {
    /// One whose `command` is what busybox's sh does.
    pub(crate) fn of_script(what: &str, script: &str, keys: &str) -> Self {
        Self::new(
            what,
            &format!("command = [\"{BUSYBOX}\", \"sh\", \"-c\", {script:?}]\nprograms = [\"sleep\"]\n{keys}"),
        )
    }

    /// One of this profile; it may write to the directory `data`, which takes the place of `DATA` in it.
    pub(crate) fn new(what: &str, profile: &str) -> Self {
        let temp = TempDir::new();
        let name = format!("service-{what}-{}", std::process::id());
        temp.dir("data");
        let profiles = temp.path().join("profiles");
        let jail = Self { temp, profiles, name };
        jail.write(profile);
        jail
    }

    /// Writes its profile anew.
    pub(crate) fn write(&self, profile: &str) {
        let data = self.temp.at("data");
        let user = if profile.contains("user = ") { "" } else { "user = \"root\"\n" };
        let text =
            format!("{user}write = [\"{data}\"]\n{}\n", profile.replace("DATA", &data).replace("NAME", &self.name));
        fs::create_dir_all(&self.profiles).unwrap();
        fs::write(self.profiles.join(format!("{}.toml", self.name)), text).unwrap();
    }

    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.temp.path().join("data").join(name)
    }

    pub(crate) fn thinjail(&self, words: &[&str]) -> Thinjail {
        thinjail(words).profiles(&self.profiles)
    }

    /// `thinjail VERB NAME`.
    pub(crate) fn ask(&self, verb: &str) -> Finished {
        self.thinjail(&[verb, &self.name]).run()
    }

    /// What `status --json` says.
    pub(crate) fn status(&self) -> serde_json::Value {
        let said = self.thinjail(&["status", "--json", &self.name]).run().stdout;
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// A number of it.
    pub(crate) fn number(&self, key: &str) -> i32 {
        let status = self.status();
        i32::try_from(status[key].as_i64().unwrap_or_else(|| panic!("no {key} in {status}"))).unwrap()
    }

    pub(crate) fn send(&self, key: &str, signal: Signal) {
        send(self.number(key), signal);
    }

    fn trees(&self) -> [PathBuf; 3] {
        let name = &self.name;
        [self.temp.path().join("pids"), Path::new("/run").join(name), format!("/run/thinjail/{name}.journal").into()]
    }

    /// The host, but for what the daemon has written.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.trees().each_ref().map(PathBuf::as_path))
    }

    #[track_caller]
    pub(crate) fn assert_as(&self, before: &Snapshot) {
        before.assert_same_now(&self.trees().each_ref().map(PathBuf::as_path));
    }
}

impl Drop for Jail {
    /// A test that failed leaves no jail to the next one.
    fn drop(&mut self) {
        self.ask("stop");
    }
}
