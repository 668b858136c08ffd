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
fn that_are_not_there_on_freebsd() {
    let mut world = World::freebsd(1_302_001);
    world.dir("/dev");
    let (what, help) = world.problem("user = \"www\"\ndevices = [\"pf\"]");
    assert_eq!(what, "devices: pf: /dev/pf does not exist");
    assert!(help.contains("kernel module"), "{help}");
    assert!(world.problem("user = \"www\"\ndevices = [\"log\"]").0.contains("there is no /var/run/log"));
    assert!(world.problem("user = \"www\"\ndevices = [\"tty*\"]").0.ends_with("it is a pattern"));
}

#[test]
fn that_undo_a_jail_of_freebsd() {
    let mut world = World::freebsd(1_302_001);
    for name in ["mem", "io", "ada0", "vtbd0p2", "gpt/root", "bpf", "dri/card0"] {
        world.put(&format!("/dev/{name}"), Kind::CharDevice);
    }
    for name in ["mem", "/mem", "io", "ada0", "vtbd0p2", "gpt/root"] {
        let (what, _) = world.problem(&format!("user = \"www\"\ndevices = [\"{name}\"]"));
        assert!(what.contains("would undo the jail"), "{what}");
    }
    let plan = world.plan("user = \"www\"\ndevices = [\"bpf\", \"dri/card0\", \"pts\", \"null\"]");
    let shown = "devfs with null zero random urandom fd fd/* stdin stdout stderr bpf dri dri/card0 ptmx pts pts/*";
    assert!(plan.to_string().contains(&format!(" {shown} ")), "{plan}");
}

#[test]
fn that_a_ruleset_of_the_host_decides() {
    let world = World::freebsd(1_302_001);
    let with =
        |more: &str, number: &str| format!("user = \"www\"\n{more}[freebsd.params]\ndevfs_ruleset = \"{number}\"");
    let plan = world.plan(&with("", "17")).to_string();
    assert!(plan.contains("devfs, ruleset 17") && plan.contains("devfs_ruleset=17"), "{plan}");
    assert!(world.resolve(&with("devices = [\"fd\"]\n", "17")).is_ok());
    assert!(world.problem(&with("devices = [\"bpf\"]\n", "17")).0.contains("devfs_ruleset says"));
    for number in ["0", "many", "70000", "-1"] {
        assert!(world.problem(&with("", number)).0.ends_with("is no ruleset"), "{number}");
    }
}
