//! SIGKILL of the supervisor, early, late and in between: the jail ends, the data stays, and what is left can be cleaned.

use std::time::Duration;

use rustix::process::Signal;
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Running, thinjail};
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, skip, wait};

use crate::SHELL;
use crate::data::{fill, hashes};

/// A jail with every kind of mount, which goes on until it is stopped.
fn jail(temp: &TempDir) -> Running {
    let (read, write) = (temp.at("read"), temp.at("write"));
    let script = "echo ready; while :; do sleep 0.05; done";
    let flags = ["--user", "root", "--programs", "sleep", "--read", &read, "--write", &write, "--tmp"];
    thinjail(["run"]).args(flags).args(["--", SHELL, "-c", script]).spawn()
}

#[test]
fn the_supervisor_may_be_killed_at_any_moment() {
    need!(skip::jails());
    let _alone = alone();
    let temp = TempDir::new();
    fill(&temp, "read");
    fill(&temp, "write");
    let data = hashes(temp.path());
    let before = Snapshot::take(&[temp.path()]);
    for round in 0..24_u32 {
        let mut running = jail(&temp);
        let pid = running.pid();
        // From before it has done anything to after it is up; a simple sequence that fills the range.
        let moment = Duration::from_millis(u64::from((round * 37) % 240));
        std::thread::sleep(moment);
        if round % 6 == 5 {
            running.wait_for_stdout("ready\n");
        }
        running.signal(Signal::KILL);
        assert!(running.finish().code().is_none());
        wait::until_true("the jail ends with its supervisor", || {
            !before.differences(&Snapshot::take(&[temp.path()])).iter().any(|line| line.starts_with("process"))
        });
        // Whatever is left must go by this; on a system that leaves nothing there is nothing to do.
        let cleaned = thinjail(["clean", "--all"]).run();
        assert!(!cleaned.stderr.contains(&format!("sh+{pid}")) || cleaned.code() == Some(0), "{cleaned:?}");
        assert!(hashes(temp.path()) == data, "round {round}, {moment:?}: the data has changed");
    }
    before.assert_same_now(&[temp.path()]);
    let mut running = jail(&temp);
    running.wait_for_stdout("ready\n");
    running.stop();
    before.assert_same_now(&[temp.path()]);
}
