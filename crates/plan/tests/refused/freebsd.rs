//! What of freebsd is refused.

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
