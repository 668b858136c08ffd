//! An init that supervises: runit's runsv(8), which starts the script `run`, watches that very process, and starts it again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use thinjail_tests::client::{ask, listens, port_free};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::send;
use thinjail_tests::process::Process;
use thinjail_tests::restore::Restored;
use thinjail_tests::temp::{TempDir, chmod};
use thinjail_tests::wait::{until, until_true};
use thinjail_tests::{binary, need, profiles, skip};

use crate::for_others;

/// A service and its runsv.
struct Service {
    runsv: Child,
    dir: PathBuf,
}

impl Service {
    fn start(dir: PathBuf, script: &str) -> Self {
        let run = dir.join("run");
        fs::write(&run, script).unwrap();
        chmod(&run, 0o755);
        let runsv = Command::new("runsv").arg(&dir).stdin(Stdio::null()).spawn().unwrap();
        Self { runsv, dir }
    }

    /// The pid that runsv has started and watches; none while there is none.
    fn pid(&self) -> Option<i32> {
        fs::read_to_string(self.dir.join("supervise/pid")).ok()?.trim().parse().ok()
    }

    fn sv(&self, words: &[&str]) -> String {
        ask(Path::new("sv"), &[words, &[self.dir.to_str().unwrap()]].concat())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = Command::new("sv").args(["-w", "20", "force-shutdown"]).arg(&self.dir).stdout(Stdio::null()).status();
        let _ = self.runsv.kill();
        let _ = self.runsv.wait();
    }
}

#[test]
fn runsv_sees_watches_restarts_and_stops_redis_itself() {
    let _alone = alone();
    need!(for_others());
    for program in ["runsv", "sv", "redis-server"] {
        need!(skip::program(program));
    }
    let cli = need!(skip::program("redis-cli"));
    need!(port_free(6379));
    let _dump = Restored::new("/var/lib/redis/dump.rdb");
    let trees = [Path::new("/etc/redis"), Path::new("/run/redis-server.pid")];
    let before = Snapshot::take(&trees);
    let shipped = profiles::shipped();
    let temp = TempDir::new();
    let script = format!(
        "#!/bin/sh\nexport THINJAIL_PROFILE_PATH={}\nexec 2>&1 {} run --no-supervisor redis\n",
        shipped.dir.display(),
        binary::thinjail().display()
    );
    let service = Service::start(temp.dir("redis"), &script);
    until_true("redis serves port 6379", || listens(6379));
    let pid = service.pid().unwrap();
    let redis = until("redis under the pid that runsv started", || {
        Process::of(pid).filter(|process| {
            process.exe().as_deref() == Some(Path::new("/usr/bin/redis-check-rdb")) || process.name == "redis-server"
        })
    });
    assert_eq!(redis.parent, i32::try_from(service.runsv.id()).unwrap());
    assert!(service.sv(&["status"]).contains(&format!("(pid {pid})")), "{}", service.sv(&["status"]));
    assert_eq!(ask(&cli, &["ping"]), "PONG\n");
    assert_eq!(ask(&cli, &["set", "thinjail-test", "kept"]), "OK\n");
    assert_eq!(ask(&cli, &["save"]), "OK\n");

    // A crash: runsv learns of it at once, and starts another.
    send(pid, Signal::KILL);
    let again = until("runsv has started it again", || service.pid().filter(|again| *again != pid));
    until_true("it answers", || listens(6379));
    assert_eq!(ask(&cli, &["get", "thinjail-test"]), "kept\n");
    assert_eq!(ask(&cli, &["del", "thinjail-test"]), "1\n");

    // An orderly stop by the signal that runsv sends.
    let redis = Process::of(again).unwrap();
    service.sv(&["-w", "20", "down"]);
    assert!(!redis.runs() && !listens(6379));
    drop(service);
    before.assert_same_now(&trees);
}
