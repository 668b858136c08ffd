//! What of freebsd is refused.

use thinjail_plan::path::RootPath;
use thinjail_plan::plan::By;

use super::*;

#[test]
fn a_writable_single_file_needs_14() {
    let profile = "user = \"www\"\nwrite = [\"/etc/hosts\"]";
    assert_eq!(
        World::freebsd(1_302_001).problem(profile),
        (
            "write = \"/etc/hosts\": FreeBSD below 14.0 can't mount a single file safely".into(),
            "mount its directory".into()
        )
    );
    assert!(World::freebsd(1_400_000).resolve(profile).is_ok());
}

#[test]
fn a_socket_can_not_be_mounted_alone() {
    let mut world = World::freebsd(1_400_000);
    world.put("/var/run/x.sock", Kind::Socket);
    let (what, help) = world.problem("user = \"www\"\nread = [\"/var/run/x.sock\"]");
    assert_eq!(what, "read = \"/var/run/x.sock\": a single socket can't be mounted on this FreeBSD");
    assert_eq!(help, "mount its directory");
}

#[test]
fn what_counts_over_the_whole_jail_is_rctl_s() {
    let plan = World::freebsd(1_302_001)
        .plan("user = \"www\"\n[limits]\nmemoryuse = \"64M\"\nmaxproc = 9\nnthr = 10\nopenfiles = 5");
    let by: Vec<_> = plan.exec.limits.iter().map(|limit| (limit.resource.as_str(), limit.by)).collect();
    assert_eq!(by, [("maxproc", By::Rctl), ("memoryuse", By::Rctl), ("nthr", By::Rctl), ("openfiles", By::Process)]);
    assert!(plan.notes.iter().any(|note| note.contains("kern.racct.enable")), "{:?}", plan.notes);
}

#[test]
fn own_addresses_are_not_inherited() {
    let params = "user = \"www\"\n[freebsd.params]\n\"ip4.addr\" = \"127.0.0.1\"";
    let text = World::freebsd(1_302_001).plan(params).to_string();
    assert!(text.contains(" ip4=new ip4.addr=127.0.0.1 ip6=inherit "), "{text}");
}

#[test]
fn hooks_are_run_in_the_order_of_jail_8() {
    let hooks = "\"exec.stop\" = \"c\"\n\"exec.start\" = \"b\"\n\"exec.prestart\" = \"a b\"";
    let text = World::freebsd(1_302_001).plan(&format!("user = \"www\"\n[freebsd.params]\n{hooks}")).to_string();
    assert!(text.contains(" exec.prestart=\"a b\" exec.start=b exec.stop=c"), "{text}");
}

#[test]
fn descriptors_processes_and_the_log_are_there_on_request_only() {
    let mut world = World::freebsd(1_302_001);
    world.put("/var/run/log", Kind::Socket);
    let places = |profile: &str| {
        let plan = world.plan(&format!("user = \"www\"\n{profile}"));
        ["/dev/fd", "/proc", "/var/run/log"].map(|at| plan.paths().contains_key(&RootPath::new(at).unwrap()))
    };
    assert_eq!(places(""), [false; 3]);
    assert_eq!(places("proc = \"none\""), [false; 3]);
    assert_eq!(places("devices = [\"fd\", \"log\", \"shm\"]\nproc = \"full\""), [true; 3]);
    let below = "user = \"www\"\ndevices = [\"log\"]\nwrite = [\"/var/run\"]";
    assert!(world.problem(below).0.starts_with("/var/run/log can't be made (devices: log)"));
    assert_eq!(world.problem("user = \"www\"\nproc = \"fill\"").1, "did you mean \"full\"?");
}
