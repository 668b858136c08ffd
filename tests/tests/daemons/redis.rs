//! redis with the configuration that Debian ships.

use std::path::Path;

use thinjail_tests::client::{ask, listens, port_free};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Running, thinjail};
use thinjail_tests::process::Process;
use thinjail_tests::restore::Restored;
use thinjail_tests::{need, profiles, skip};

use super::{assert_filtered, pid_in, uid_of};

const PIDFILE: &str = "/run/redis-server.pid";

fn start(profiles: &Path) -> Running {
    let mut jail = thinjail(["run", "redis"]).profiles(profiles).spawn();
    jail.wait_until("redis serves port 6379", |_| listens(6379).then_some(()));
    jail
}

#[test]
fn data_of_redis_survives_a_restart() {
    need!(skip::namespaces());
    need!(skip::program("redis-server"));
    let cli = need!(skip::program("redis-cli"));
    let _alone = alone();
    need!(port_free(6379));
    let _dump = Restored::new("/var/lib/redis/dump.rdb");
    let trees = [Path::new("/etc/redis"), Path::new(PIDFILE)];
    let before = Snapshot::take(&trees);
    let shipped = profiles::shipped();
    let redis = |words: &[&str]| ask(&cli, &[&["-h", "127.0.0.1"], words].concat());
    let key = format!("thinjail-test-{}", std::process::id());

    let mut jail = start(&shipped.dir);
    assert_eq!(redis(&["ping"]), "PONG\n");
    assert_eq!(redis(&["set", &key, "kept"]), "OK\n");
    assert_eq!(redis(&["save"]), "OK\n");
    let main = jail.wait_until("a pidfile with a pid of this host", |_| Process::of(pid_in(PIDFILE)?));
    assert_eq!((main.name.as_str(), main.uid()), ("redis-server", Some(uid_of("redis"))));
    assert_eq!(main.field("CapEff").as_deref(), Some("0000000000000000"));
    assert_filtered(&jail);
    jail.stop().expect_code(0);
    assert!(!listens(6379));

    let jail = start(&shipped.dir);
    assert_eq!(redis(&["get", &key]), "kept\n");
    // Not saved by us: redis saves on its way out.
    assert_eq!(redis(&["set", &key, "kept by the stop"]), "OK\n");
    assert_filtered(&jail);
    jail.stop().expect_code(0);

    let jail = start(&shipped.dir);
    assert_eq!(redis(&["get", &key]), "kept by the stop\n");
    assert_eq!(redis(&["del", &key]), "1\n");
    assert_filtered(&jail);
    jail.stop().expect_code(0);
    before.assert_same_now(&trees);
}
