//! unbound and dnsmasq: as users of their own on port 53, asked by dig(1).

use std::path::Path;

use rustix::process::Signal;
use thinjail_tests::client::{ask, listens, port_free};
use thinjail_tests::host::{Snapshot, alone};
use thinjail_tests::jail::{Running, thinjail};
use thinjail_tests::process::Process;
use thinjail_tests::restore::unbound_anchor;
use thinjail_tests::temp::TempDir;
use thinjail_tests::{need, profiles, skip, wait};

use super::{assert_filtered, pid_in, uid_of};

fn dig(words: &[&str]) -> String {
    ask(Path::new("dig"), &[&["@127.0.0.1", "+short", "+time=5", "+tries=2"], words].concat())
}

/// Waits until it serves, and looks at who does.
fn serves(jail: &mut Running, name: &str, pidfile: &str) -> Process {
    jail.wait_until("it serves port 53", |_| listens(53).then_some(()));
    let main = jail.wait_until("a pidfile with a pid of this host", |_| Process::of(pid_in(pidfile)?));
    assert_eq!((main.name.as_str(), main.uid()), (name, Some(uid_of(name))));
    // Bit 10, cap_net_bind_service, or nothing once the port is open.
    let kept = main.field("CapEff").unwrap();
    assert!(["0000000000000400", "0000000000000000"].contains(&kept.as_str()), "{kept}");
    main
}

#[test]
fn unbound_as_debian_ships_it_answers_and_reloads() {
    need!(skip::namespaces());
    need!(skip::program("unbound"));
    need!(skip::program("dig"));
    let _alone = alone();
    need!(port_free(53));
    let _anchor = need!(unbound_anchor());
    let trees = [Path::new("/etc/unbound"), Path::new("/run/unbound.pid"), Path::new("/run/unbound.ctl")];
    let before = Snapshot::take(&trees);
    let shipped = profiles::shipped();

    let mut jail = thinjail(["run", "unbound"]).profiles(&shipped.dir).spawn();
    let main = serves(&mut jail, "unbound", "/run/unbound.pid");
    assert_eq!(dig(&["localhost"]), "127.0.0.1\n");
    assert!(dig(&["version.bind", "chaos", "txt"]).starts_with("\"unbound "));

    jail.signal(Signal::HUP);
    jail.wait_until("a second start of the service", |jail| {
        (jail.stderr().matches("start of service").count() == 2).then_some(())
    });
    assert_eq!(dig(&["localhost"]), "127.0.0.1\n");
    assert!(main.runs(), "it is the same process");
    assert_filtered(&jail);
    jail.stop().expect_code(0);
    before.assert_same_now(&trees);
}

#[test]
fn dnsmasq_as_debian_ships_it_answers_and_reads_hosts_again() {
    need!(skip::namespaces());
    need!(skip::program("dnsmasq"));
    need!(skip::program("dig"));
    let _alone = alone();
    need!(port_free(53));
    let trees = [Path::new("/etc/dnsmasq.d"), Path::new("/run/dnsmasq.pid")];
    let before = Snapshot::take(&trees);
    let temp = TempDir::new();
    let hosts = temp.dir("hosts");
    temp.file("hosts/jail", "192.0.2.1 one.jail.test\n");
    let more = format!("--pid-file --addn-hosts={}", hosts.display());
    let profile = profiles::replaced(profiles::DNSMASQ, "--pid-file", &more);
    let profile = profiles::replaced(
        &profile,
        "read = [\"/etc/dnsmasq.conf\"",
        &format!("read = [{hosts:?}, \"/etc/dnsmasq.conf\""),
    );
    let profiles = temp.profile("dnsmasq", &profile);

    let mut jail = thinjail(["run", "dnsmasq"]).profiles(&profiles).spawn();
    let _ = serves(&mut jail, "dnsmasq", "/run/dnsmasq.pid");
    assert_eq!(dig(&["localhost"]), "127.0.0.1\n");
    assert_eq!(dig(&["one.jail.test"]), "192.0.2.1\n");
    assert!(dig(&["version.bind", "chaos", "txt"]).starts_with("\"dnsmasq-"));

    temp.file("hosts/jail", "192.0.2.2 one.jail.test\n");
    jail.signal(Signal::HUP);
    wait::until_true("the name's new address", || dig(&["one.jail.test"]) == "192.0.2.2\n");
    assert_filtered(&jail);
    jail.stop().expect_code(0);
    before.assert_same_now(&trees);
}
