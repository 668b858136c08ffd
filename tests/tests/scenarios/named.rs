//! Jails by name: started, seen, stopped, started again.

use std::path::PathBuf;

use rustix::process::Signal;
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Finished, send, thinjail};
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip, wait};

const NAMES: [&str; 2] = ["scenario-one", "scenario-two"];

/// Profiles of two daemons that do nothing, and where they say that they are up.
struct Names {
    temp: TempDir,
    profiles: PathBuf,
}

impl Names {
    fn new() -> Self {
        let temp = TempDir::new();
        let mut profiles = PathBuf::new();
        for name in NAMES {
            let write = temp.dir(name);
            let script = format!("echo up >{}/up; while :; do sleep 0.05; done", write.display());
            let profile = format!(
                "command = [\"/bin/sh\", \"-c\", \"{script}\"]\nuser = \"root\"\nprograms = [\"sleep\"]\nwrite = [\"{}\"]\n",
                write.display()
            );
            profiles = temp.profile(name, &profile);
        }
        Self { temp, profiles }
    }

    fn thinjail(&self, words: &[&str]) -> Finished {
        thinjail(words).profiles(&self.profiles).run()
    }

    #[track_caller]
    fn start(&self, name: &str) {
        self.thinjail(&["start", name]).expect_code(0);
        let up = self.temp.path().join(name).join("up");
        wait::until_true("the daemon is up", || up.exists());
        std::fs::remove_file(up).unwrap();
    }

    #[track_caller]
    fn stop(&self, name: &str) {
        self.thinjail(&["stop", name]).expect_code(0);
    }
}

impl Drop for Names {
    /// A test that failed leaves no jail to the next one.
    fn drop(&mut self) {
        for name in NAMES {
            let _ = self.thinjail(&["stop", name]);
        }
    }
}

#[test]
fn a_hundred_starts_and_stops_leave_the_host_as_it_was() {
    need!(skip::jails());
    let _alone = alone();
    let names = Names::new();
    let before = Snapshot::take(&[names.temp.path()]);
    for _ in 0..100 {
        names.start("scenario-one");
        // At once, and the name is free again at once.
        names.stop("scenario-one");
    }
    before.assert_same_now(&[names.temp.path()]);
}

#[test]
fn two_jails_run_at_once_and_each_is_stopped_alone() {
    need!(skip::jails());
    let _alone = alone();
    let names = Names::new();
    let before = Snapshot::take(&[names.temp.path()]);
    names.start("scenario-one");
    names.start("scenario-two");
    names.stop("scenario-one");
    names.thinjail(&["status", "scenario-one"]).expect_code(3);
    names.thinjail(&["status", "scenario-two"]).expect_code(0);
    names.stop("scenario-two");
    before.assert_same_now(&[names.temp.path()]);
}

#[test]
fn a_name_that_runs_is_not_started_twice() {
    need!(skip::jails());
    let _alone = alone();
    let names = Names::new();
    let before = Snapshot::take(&[names.temp.path()]);
    names.start("scenario-one");
    // What was asked for holds, and so it is no failure, as the Linux Standard Base has it.
    let again = names.thinjail(&["start", "scenario-one"]);
    again.expect_code(0).expect_stderr(&["scenario-one runs already"]);
    names.thinjail(&["status", "scenario-one"]).expect_code(0);
    names.stop("scenario-one");
    before.assert_same_now(&[names.temp.path()]);
}

#[test]
fn init_scripts_hear_what_the_linux_standard_base_says() {
    need!(skip::jails());
    let _alone = alone();
    let names = Names::new();
    let [one, two] = NAMES;
    for verb in ["start", "restart"] {
        names.thinjail(&[verb, "no-such-profile"]).expect_code(6).expect_stderr(&["there is no profile"]);
    }
    names.temp.profile(two, "command = \"/usr/bin/no-such-program\"\nuser = \"root\"\n");
    names.thinjail(&["start", two]).expect_code(5).expect_stderr(&["/usr/bin/no-such-program"]);
    names.thinjail(&["status", two]).expect_code(3);
    names.thinjail(&["status", "--no-such-flag", two]).expect_code(4);
    names.thinjail(&["stop", "--no-such-flag", two]).expect_code(2);
    names.thinjail(&["reload", two]).expect_code(7);
    names.thinjail(&["stop", two]).expect_code(0);
    names.start(one);
    names.thinjail(&["status", one]).expect_code(0);
    names.thinjail(&["start", one]).expect_code(0);
    names.stop(one);
    names.thinjail(&["status", one]).expect_code(3);
}

#[test]
fn a_daemon_that_is_killed_is_started_again_though_its_helper_goes_on_and_ends_well() {
    need!(skip::jails());
    let _alone = alone();
    let names = Names::new();
    // It goes into the background, and has a helper there.
    let script = "(sleep 4 & while :; do sleep 0.05; done) & exit 0";
    names.temp.profile(
        "scenario-one",
        &format!(
            "command = [\"/bin/sh\", \"-c\", \"{script}\"]\nuser = \"root\"\nprograms = [\"sleep\"]\ntype = \"forking\"\n\
             restart = \"on-failure\"\nrestart-delay = \"10ms\"\n"
        ),
    );
    let before = Snapshot::take(&[names.temp.path()]);
    names.thinjail(&["start", "scenario-one"]).expect_code(0);
    let status = || -> serde_json::Value {
        let said = names.thinjail(&["status", "--json", "scenario-one"]);
        serde_json::from_str(&said.stdout).unwrap_or_default()
    };
    let main = status()["pid"].as_i64().unwrap();
    send(main.try_into().unwrap(), Signal::KILL);
    wait::until_true("it is started again", || status()["restarts"] == 1 && status()["stage"] == "running");
    assert_ne!(status()["pid"].as_i64(), Some(main));
    names.stop("scenario-one");
    before.assert_same_now(&[names.temp.path()]);
}
