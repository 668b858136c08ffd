//! What of devices is refused.

use super::*;

#[test]
fn that_are_not_there() {
    assert_eq!(what("devices = [\"kvm\"]"), "devices: kvm: /dev/kvm does not exist");
    assert_eq!(what("devices = [\"log\"]"), "devices: log: there is no /dev/log on this host");
}

#[test]
fn that_undo_the_jail() {
    let mut world = World::linux();
    world.put("/dev/mem", Kind::CharDevice).put("/dev/sda", Kind::BlockDevice).file("/dev/x").link("/dev/dvd", "sda");
    for (name, end) in [
        ("mem", " would undo the jail: it is the host's memory"),
        ("sda", " would undo the jail: a block device is a whole disk"),
        ("x", ": /dev/x is no character device"),
    ] {
        assert_eq!(world.problem(&www(&format!("devices = [\"{name}\"]"))).0, format!("devices: {name}{end}"));
    }
    world.put("/dev/ptmx", Kind::CharDevice).put("/dev/pts/ptmx", Kind::CharDevice);
    for name in ["/mem", "./mem", "mem/", "/dev//mem", "ptmx", "pts/ptmx", "pts//ptmx"] {
        assert!(world.problem(&www(&format!("devices = [\"{name}\"]"))).0.contains("would undo the jail"), "{name}");
    }
    assert!(world.resolve(&www("devices = [\"dvd\"]")).is_err());
    assert!(world.resolve(&www("devices = [\"../etc/hosts\"]")).is_err());
}

#[test]
fn that_ruleset_4_does_not_show() {
    let world = World::freebsd(1_400_000);
    assert_eq!(world.problem("user = \"www\"\ndevices = [\"pf\"]").0, "devices: pf is not shown by devfs ruleset 4");
    assert!(world.problem("user = \"www\"\ndevices = [\"log\"]").0.starts_with("devices: log: a single socket"));
}
