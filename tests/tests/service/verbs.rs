//! `restart`, `kill`, and what `status` tells.

use std::fs;

use thinjail_tests::host::alone;
use thinjail_tests::process::Process;
use thinjail_tests::{need, skip, wait};

use crate::jail::{BUSYBOX, Jail};

#[test]
fn restart_takes_what_the_profile_says_by_now_and_one_with_a_mistake_leaves_it_running() {
    need!(skip::namespaces());
    let _alone = alone();
    let profile = |seconds: u32| format!("command = \"{BUSYBOX} sleep {seconds}\"\nrun-dir = \"NAME\"\n");
    let jail = Jail::new("verbs", &profile(1001));
    let before = jail.snapshot();
    let command = || fs::read_to_string(format!("/proc/{}/cmdline", jail.number("pid"))).unwrap();
    // One that does not run is started.
    jail.ask("restart").expect_code(0);
    assert!(command().contains("1001"));
    let first = Process::of(jail.number("supervisor")).unwrap();
    jail.write("frobnicate = 1");
    jail.ask("restart").expect_code(1).expect_stderr(&["frobnicate"]);
    jail.write(&profile(1002).replace(BUSYBOX, "/nonexistent/program"));
    jail.ask("restart").expect_code(5).expect_stderr(&["/nonexistent/program"]);
    assert!(first.runs() && command().contains("1001"));
    jail.write(&profile(1002));
    jail.ask("restart").expect_code(0);
    assert!(!first.runs() && command().contains("1002"));
    jail.ask("stop").expect_code(0);
    jail.assert_as(&before);
}

#[test]
fn kill_reaches_the_main_process_and_nobody_else() {
    need!(skip::namespaces());
    let _alone = alone();
    let jail = Jail::of_script(
        "kill",
        "trap ': >DATA/usr1' USR1; while :; do sleep 0.1; done",
        "restart = \"always\"\nrestart-delay = \"10ms\"\n",
    );
    let kill = |signal: &str| jail.thinjail(&["kill", &jail.name, signal]).run();
    kill("USR1").expect_code(7).expect_stderr(&["does not run"]);
    jail.ask("start").expect_code(0);
    kill("USR3").expect_code(2).expect_stderr(&["there is no signal", "help: "]);
    wait::until_true("it has its handler, and the signal", || {
        kill("sigusr1").expect_code(0);
        jail.data("usr1").exists()
    });
    let supervisor = jail.number("supervisor");
    kill("KILL").expect_code(0);
    wait::until_true("it was started again", || jail.status()["restarts"].as_i64() >= Some(1));
    assert_eq!(jail.number("supervisor"), supervisor);
}

#[test]
fn status_tells_what_a_jail_uses_and_where_it_listens() {
    need!(skip::namespaces());
    let _alone = alone();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = format!(
        "use IO::Socket::INET; my $t = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => {port}, Listen => 1, ReuseAddr => 1) or die; \
         my $u = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => {port}, Proto => 'udp') or die; \
         my $x = 'x' x 20_000_000; open my $f, '>', 'DATA/up'; sleep 1000"
    );
    let jail = Jail::new(
        "usage",
        &format!("command = [\"/usr/bin/perl\", \"-e\", {script:?}]\nruntime = \"perl\"\nuser = \"root\"\n"),
    );
    jail.ask("start").expect_code(0);
    wait::until_true("it listens", || jail.data("up").exists());
    let usage = &jail.status()["usage"];
    assert_eq!((&usage["user"], &usage["processes"]), (&"root".into(), &1.into()), "{usage}");
    assert_eq!(usage["ports"], serde_json::json!([format!("{port}/tcp"), format!("{port}/udp")]));
    let main = jail.number("pid");
    assert_eq!(usage["files"].as_u64(), Some(fs::read_dir(format!("/proc/{main}/fd")).unwrap().count() as u64));
    let memory = usage["memory"].as_u64().unwrap();
    assert!((20_000_000..60_000_000).contains(&memory), "{memory}");
    let said = jail.ask("status").stdout;
    assert!(said.contains(&format!("ports {port}/tcp {port}/udp")) && said.contains("memory "), "{said}");
}
