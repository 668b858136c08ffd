//! PostgreSQL: Debian's own cluster, and one that is made, archived and crashed in jails.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use thinjail_tests::client::{ask, port_free};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Running, send, thinjail};
use thinjail_tests::process::Process;
use thinjail_tests::temp::{TempDir, chmod};
use thinjail_tests::{need, profiles, skip, wait};

use super::{assert_filtered, pid_in, uid_of};

const BIN: &str = "/usr/lib/postgresql/15/bin";
const MAIN: &str = "/var/lib/postgresql/15/main";
const PIDFILE: &str = "/run/postgresql.pid";
const PORT: &str = "54015";

/// psql as the user `postgres`, whom the server knows by the socket.
fn psql(place: &[&str], query: &str) -> String {
    let words = ["--reuid=postgres", "--regid=postgres", "--init-groups", "--", "psql", "-X", "-q", "-A", "-t"];
    ask(Path::new("setpriv"), &[&words, place, &["-v", "ON_ERROR_STOP=1", "-c", query]].concat())
}

/// Waits until it takes connections and its pidfile is written.
fn serve(jail: &mut Running, port: &str) -> Process {
    let ready = |_: &Running| {
        let asked = std::process::Command::new(format!("{BIN}/pg_isready"))
            .args(["-q", "-h", "/run/postgresql", "-p", port])
            .status();
        asked.unwrap().success().then_some(())
    };
    jail.wait_until("PostgreSQL takes connections", ready);
    jail.wait_until("a pidfile with a pid of this host", |_| Process::of(pid_in(PIDFILE)?))
}

#[test]
fn postgresql_serves_the_cluster_that_debian_made() {
    need!(skip::namespaces());
    need!(skip::path(MAIN));
    let _alone = alone();
    need!(port_free(5432));
    let trees = [Path::new("/etc/postgresql"), Path::new("/run/postgresql"), Path::new(PIDFILE)];
    let before = Snapshot::take(&trees);
    let shipped = profiles::shipped();

    let mut jail = thinjail(["run", "postgresql"]).profiles(&shipped.dir).spawn();
    let main = serve(&mut jail, "5432");
    assert_eq!((main.name.as_str(), main.uid()), ("postgres", Some(uid_of("postgres"))));
    assert_eq!(main.field("CapEff").as_deref(), Some("0000000000000000"));
    assert_eq!(psql(&[], "show data_directory"), format!("{MAIN}\n"));
    // A module of its own, the time zones of the system, and memory shared by the workers of a query.
    assert_eq!(
        psql(&[], "load 'auto_explain'; select timestamptz '2026-07-01 12:00 UTC' at time zone 'Europe/Paris'"),
        "2026-07-01 14:00:00\n"
    );
    let parallel = "set force_parallel_mode = on; select count(*) from pg_class";
    assert!(psql(&[], parallel).trim().parse::<u32>().unwrap() > 100);
    assert_filtered(&jail);
    jail.stop().expect_code(0);
    before.assert_same_now(&trees);
}

/// A cluster of its own in a temporary directory, the server's profile and that of initdb.
struct Cluster {
    temp: TempDir,
    profiles: PathBuf,
}

impl Cluster {
    fn new() -> Self {
        let temp = TempDir::new();
        for dir in ["data", "archive"] {
            let path = temp.dir(dir);
            chmod(&path, 0o700);
            chown(&path, Some(uid_of("postgres")), None).unwrap();
        }
        let (data, archive) = (temp.at("data"), temp.at("archive"));
        let server = profiles::POSTGRESQL;
        // A process that is killed loses nothing that it has written, synced or not; and the test is quick.
        let settings = format!(
            "-p {PORT} -c fsync=off -c archive_mode=on -c 'archive_command=test ! -f {archive}/%f && cp %p {archive}/%f'"
        );
        let server = profiles::replaced(server, "-c config_file=/etc/postgresql/15/main/postgresql.conf", &settings);
        let server = profiles::replaced(&server, MAIN, &data);
        let server = profiles::replaced(&server, "\"/etc/postgresql/15/main\", ", "");
        let server = profiles::replaced(&server, "[\"sh\"]", "[\"sh\", \"cp\"]");
        let server =
            profiles::replaced(&server, &format!("write = [{data:?}"), &format!("write = [{archive:?}, {data:?}"));
        temp.profile("server", &server);
        // The same jail with another program; initdb runs the server that stands beside it.
        let start = server.find("command = ").unwrap();
        let end = server.find("read = ").unwrap();
        let initdb = format!("command = \"{BIN}/initdb --auth=peer --no-sync --wal-segsize=1 -D {data}\"\n");
        let initdb = server.replace(&server[start..end], &initdb);
        let initdb = profiles::replaced(&initdb, "\"cp\"]", &format!("\"{BIN}/postgres\"]"));
        let profiles = temp.profile("initdb", &initdb);
        Self { temp, profiles }
    }

    fn start(&self) -> (Running, Process) {
        let mut jail = thinjail(["run", "server"]).profiles(&self.profiles).spawn();
        let main = serve(&mut jail, PORT);
        (jail, main)
    }
}

#[test]
fn a_cluster_is_made_archived_and_recovered_after_a_crash() {
    need!(skip::namespaces());
    need!(skip::program(&format!("{BIN}/initdb")));
    let _alone = alone();
    let trees = [Path::new("/run/postgresql"), Path::new(PIDFILE)];
    let before = Snapshot::take(&trees);
    let cluster = Cluster::new();
    let ask = |query: &str| psql(&["-h", "/run/postgresql", "-p", PORT], query);

    let made = thinjail(["run", "initdb"]).profiles(&cluster.profiles).run();
    assert!(made.expect_code(0).stdout.contains("Success."), "{}", made.stdout);

    let (mut jail, main) = cluster.start();
    ask("create table kept (line text); insert into kept select 'line ' || n from generate_series(1, 1000) n");
    // sh and cp of the jail write to the host's directory.
    let segment = ask("select pg_walfile_name(pg_switch_wal())");
    let archived = cluster.temp.path().join("archive").join(segment.trim());
    wait::until_true("the segment in the archive", || archived.metadata().is_ok_and(|file| file.len() == 1 << 20));
    ask("copy (select 'piped') to program 'read line && test $line = piped'");
    jail.signal(Signal::HUP);
    jail.wait_until("the reload in its log", |jail| jail.stderr().contains("received SIGHUP").then_some(()));

    // Committed, and in no file but the log of transactions when the server is killed.
    ask("insert into kept values ('the last')");
    send(main.pid, Signal::KILL);
    let ended = jail.finish();
    assert_eq!(ended.code(), Some(137), "{}", ended.stderr);
    assert!(!Path::new(PIDFILE).exists());
    // Its own pidfile and its socket are left, as after any crash, and stop no second start.
    assert!(fs::exists(cluster.temp.path().join("data/postmaster.pid")).unwrap());

    let (jail, _) = cluster.start();
    assert!(jail.stderr().contains("automatic recovery in progress"), "{}", jail.stderr());
    assert_eq!(ask("select count(*), max(line) from kept where line in ('line 1', 'the last')"), "2|the last\n");
    let stopped = jail.stop();
    stopped.expect_code(0).expect_stderr(&["received fast shutdown request", "database system is shut down"]);
    before.assert_same_now(&trees);
}
