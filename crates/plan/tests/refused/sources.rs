//! What of sources is refused.

use thinjail_plan::facts::PathFact;
use thinjail_plan::path::HostPath;
use thinjail_plan::resolve::resolve;

use super::*;

#[test]
fn that_are_missing_name_the_first_name_that_is_not_there() {
    let (what, help) = problem("read = [\"/srv/site/www\"]");
    assert_eq!(what, "read = \"/srv/site/www\": /srv does not exist");
    assert_eq!(help, "make it, or write it as a [[mount]] with create = true, for a directory, or optional = true");
    let (what, help) = problem("[[mount]]\nsource = \"/run/x\"");
    assert_eq!(what, "[[mount]] source = \"/run/x\": /run/x does not exist");
    assert_eq!(help, "make it, or write create = true, for a directory, or optional = true");
}

#[test]
fn that_are_no_paths() {
    assert_eq!(what("read = [\"etc\"]"), "read = \"etc\": \"etc\" is not an absolute path");
    assert_eq!(what("write = [\"\"]"), "write = \"\": the path is empty");
    assert_eq!(what("read = [\"/etc/../root\"]"), "read = \"/etc/../root\": \"/etc/../root\" has a `..` in it");
}

#[test]
fn that_are_devices_or_fifos() {
    let mut world = World::linux();
    world.put("/srv/fifo", Kind::Fifo).put("/srv/disk", Kind::BlockDevice).put("/srv/null", Kind::CharDevice);
    assert_eq!(
        world.problem(&www("read = [\"/srv/fifo\"]")),
        ("read = \"/srv/fifo\": /srv/fifo is a FIFO".into(), "mount its directory".into())
    );
    for name in ["disk", "null"] {
        let (what, help) = world.problem(&www(&format!("read = [\"/srv/{name}\"]")));
        assert_eq!(what, format!("read = \"/srv/{name}\": /srv/{name} is a device"));
        assert_eq!(help, "name it in devices = [...]");
    }
}

#[test]
fn that_undo_the_jail() {
    assert_eq!(problem("read = [\"/dev/null\"]").1, "write devices = [\"null\"]");
    assert_eq!(
        what("read = [\"/proc/sys\"]"),
        "read = \"/proc/sys\": /proc shows the host's processes, and its switches"
    );
    let mount = |source: &str| format!("[[mount]]\nsource = \"{source}\"\ntarget = \"/x\"\nwrite = true");
    for source in ["/", "/sys", "/sys/fs/cgroup"] {
        let text = what(&mount(source));
        assert!(text.ends_with(&format!("who may write to {source} controls the host")), "{text}");
    }
    assert!(what("[[mount]]\nsource = \"/proc\"\ntarget = \"/x\"").contains("/proc shows the host's processes"));
}

#[test]
fn that_undo_the_jail_through_a_link() {
    let mut world = World::linux();
    world
        .dir("/proc/sys")
        .dir("/sys/fs")
        .link("/srv/p", "/proc/sys")
        .link("/srv/s", "/sys")
        .link("/srv/d", "/dev")
        .link("/srv/r", "/");
    assert!(world.problem(&www("read = [\"/srv/r\"]")).0.contains("the jail's root can't be mounted over"));
    assert!(world.problem(&www("read = [\"/srv/p\"]")).0.contains("/proc shows the host's processes"));
    assert!(world.problem(&www("write = [\"/srv/s\"]")).0.contains("controls the host"));
    assert!(world.problem(&www("read = [\"/srv/d\"]")).0.contains("/dev is made new"));
}

#[test]
fn that_undo_the_jail_by_what_is_mounted_below_or_above() {
    let mut world = World::linux();
    world.dir("/srv/chroot/proc/sys").dir("/srv/chroot/sys").dir("/srv/chroot/dev").dir("/srv/files").dir("/srv/chr");
    world.mount("proc", "/srv/chroot/proc");
    let mount = |source: &str| format!("[[mount]]\nsource = \"{source}\"\ntarget = \"/x\"");
    for source in ["/", "/srv", "/srv/chroot", "/srv/chroot/proc", "/srv/chroot/proc/sys"] {
        let (what, help) = world.problem(&www(&mount(source)));
        assert!(what.contains("at /srv/chroot/proc a proc is mounted, and it leads to the host's files"), "{what}");
        let beside = !source.contains("proc");
        assert_eq!(help, if beside { "name the directories beside it that the program needs" } else { "take it out" });
    }
    world.mounts.clear();
    world.mount("sysfs", "/srv/chroot/sys");
    drop(world.plan(&www("read = [\"/srv/chroot\"]")));
    let write = "write = [\"/srv/chroot\"]";
    assert!(world.problem(&www(write)).0.contains("who may write to it controls the host"));
    let made = "[[mount]]\nsource = \"/srv/chroot/sys/new\"\nwrite = true\ncreate = true";
    assert!(world.problem(&www(made)).0.contains("who may write to it controls the host"));
    drop(world.plan(&www("write = [\"/srv/files\", \"/srv/chr\"]")));
    world.mounts.clear();
    world.mount("tmpfs", "/srv/chroot/sys");
    drop(world.plan(&www(write)));
}

#[test]
fn that_the_facts_contradict() {
    let spec = world::spec(&www("[[mount]]\nsource = \"/srv/a/b\"\ncreate = true"));
    let mut facts = World::linux().facts(&spec);
    for fact in facts.paths.values_mut() {
        if let PathFact::Missing { at, .. } = fact {
            *at = HostPath::new("/elsewhere").unwrap();
        }
    }
    let problems = resolve("test", &spec, &facts).unwrap_err();
    assert_eq!(
        problems[0].what,
        "[[mount]] source = \"/srv/a/b\": the facts say that /elsewhere is missing, which is not on the way to /srv/a/b"
    );
    facts.paths.clear();
    let problems = resolve("test", &spec, &facts).unwrap_err();
    assert!(problems.iter().any(|p| p.what.ends_with("the facts say nothing of /srv/a/b")), "{problems:?}");
}

#[test]
fn that_have_an_owner_and_are_not_made() {
    let (what, help) = problem("[[mount]]\nsource = \"/run\"\nmode = \"0700\"");
    assert_eq!(what, "[[mount]] source = \"/run\" has an owner, group or mode, but nothing is to be made");
    assert_eq!(help, "write create = true, or take them out");
}

#[test]
fn that_are_made_with_a_mode_that_is_none() {
    assert_eq!(
        what("[[mount]]\nsource = \"/run/x\"\ncreate = true\nmode = \"rwx\""),
        "[[mount]] source = \"/run/x\": mode = \"rwx\" is not an octal number of three or four digits"
    );
}

#[test]
fn that_are_a_file_where_a_directory_is_made() {
    assert_eq!(
        what("[[mount]]\nsource = \"/etc/hosts\"\ncreate = true"),
        "[[mount]] source = \"/etc/hosts\": /etc/hosts is there, but is no directory"
    );
    assert_eq!(
        what("[[mount]]\nsource = \"/etc/hosts/x\"\ncreate = true"),
        "[[mount]] source = \"/etc/hosts/x\": /etc/hosts is no directory"
    );
}

#[test]
fn that_the_host_refuses_even_if_optional() {
    let mut world = World::linux();
    world.link("/srv/a", "b").link("/srv/b", "a");
    let (what, _) = world.problem(&www("[[mount]]\nsource = \"/srv/a\"\noptional = true"));
    assert_eq!(what, "[[mount]] source = \"/srv/a\": too many links on the way");
}

#[test]
fn that_are_directories_by_a_name_that_is_none() {
    for name in ["", "/nginx", "nginx/", "../nginx", "nginx/./x", "a//b"] {
        let (what, help) = problem(&format!("run-dir = \"{name}\""));
        assert_eq!(what, format!("run-dir = {name:?} is not one or more plain names"));
        assert_eq!(help, "write a name such as \"nginx\"; it goes below /run");
    }
}
