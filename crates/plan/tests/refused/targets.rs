//! What of targets is refused.

use super::*;

fn mount(target: &str) -> String {
    format!("[[mount]]\nsource = \"/usr/local\"\ntarget = \"{target}\"\n")
}

#[test]
fn with_dots_in_them() {
    assert!(what(&mount("/srv/../etc")).ends_with("\"/srv/../etc\" has a `..` in it"));
    assert!(what(&mount("srv")).ends_with("\"srv\" is not an absolute path"));
}

#[test]
fn that_are_thinjails_own() {
    let (what, help) = problem(&mount("/"));
    assert!(what.ends_with("the jail's root can't be mounted over"), "{what}");
    assert_eq!(help, "name the directories below it that the program needs, or give it another target");
    for target in ["/proc", "/proc/sys", "/dev", "/dev/shm/x"] {
        let what = super::what(&mount(target));
        assert!(what.ends_with(&format!("{target} is thinjail's own in every jail")), "{what}");
    }
    assert!(super::what("read = [\"/\"]").ends_with("the jail's root can't be mounted over"));
}

#[test]
fn on_the_way_of_a_link() {
    let (what, help) = problem(&mount("/bin/x"));
    assert_eq!(
        what,
        "/bin/x can't be made ([[mount]] source = \"/usr/local\", target = \"/bin/x\"): /bin is a link to usr/bin \
         (link on the way to /bin/true)"
    );
    assert_eq!(help, "write /usr/bin/x");
}

#[test]
fn in_place_of_a_link() {
    let what = what(&mount("/lib64"));
    assert_eq!(
        what,
        "two things are wanted at /lib64: [[mount]] source = \"/usr/local\", target = \"/lib64\"; and link on the way to \
         /lib64/ld-linux-x86-64.so.2"
    );
}

#[test]
fn that_two_mounts_want() {
    let mut world = World::linux();
    world.dir("/srv/a").dir("/srv/b");
    let profile =
        www("[[mount]]\nsource = \"/srv/a\"\ntarget = \"/www\"\n[[mount]]\nsource = \"/srv/b\"\ntarget = \"/www\"");
    assert_eq!(
        world.problem(&profile),
        (
            "two things are wanted at /www: [[mount]] source = \"/srv/a\", target = \"/www\"; and [[mount]] source = \
             \"/srv/b\", target = \"/www\""
                .into(),
            "give one of them another target".into()
        )
    );
}

#[test]
fn that_are_read_and_written() {
    let (what, help) = problem("read = [\"/var/lib\"]\nwrite = [\"/var/lib\"]");
    assert_eq!(what, "two things are wanted at /var/lib: read = \"/var/lib\"; and write = \"/var/lib\"");
    assert_eq!(help, "write it once, as read or as write");
}

#[test]
fn that_are_written_and_executed() {
    let (what, help) = problem("write = [\"/usr/bin/true\"]");
    assert_eq!(what, "two things are wanted at /usr/bin/true: write = \"/usr/bin/true\"; and program /bin/true");
    assert_eq!(help, "what is written to is not executed; if it must be, write a [[mount]] with exec = true");
}

#[test]
fn below_a_file() {
    let mut world = World::linux();
    world.dir("/srv/a");
    let (what, _) =
        world.problem(&www("read = [\"/etc/hosts\"]\n[[mount]]\nsource = \"/srv/a\"\ntarget = \"/etc/hosts/a\""));
    assert_eq!(
        what,
        "/etc/hosts/a can't be made ([[mount]] source = \"/srv/a\", target = \"/etc/hosts/a\"): /etc/hosts is a file \
         (read = \"/etc/hosts\")"
    );
}

#[test]
fn without_a_mount_point_in_the_hosts_directory() {
    let mut world = World::linux();
    world.dir("/srv/site/up").file("/srv/site/f").dir("/srv/a").file("/srv/f").link("/srv/site/l", "up");
    let nested = |source: &str, target: &str| {
        www(&format!("read = [\"/srv/site\"]\n[[mount]]\nsource = \"{source}\"\ntarget = \"{target}\""))
    };
    assert!(world.resolve(&nested("/srv/a", "/srv/site/up")).is_ok());
    assert!(world.resolve(&nested("/srv/f", "/srv/site/f")).is_ok());
    assert_eq!(
        world.problem(&nested("/srv/a", "/srv/site/none")),
        (
            "/srv/site/none has no mount point ([[mount]] source = \"/srv/a\", target = \"/srv/site/none\"): /srv/site is \
             the host's /srv/site, and there is no directory /srv/site/none"
                .into(),
            "make it on the host: mkdir -p /srv/site/none".into()
        )
    );
    assert_eq!(world.problem(&nested("/srv/f", "/srv/site/none")).1, "make it on the host: touch /srv/site/none");
    assert!(world.problem(&nested("/srv/f", "/srv/site/up")).0.ends_with("/srv/site/up is there, but is no file"));
    assert!(world.problem(&nested("/srv/a", "/srv/site/l")).0.ends_with("/srv/site/l is a link to /srv/site/up"));
}

#[test]
fn that_would_hide_the_programs_libraries() {
    let problems = World::linux().problems(&www(&mount("/usr/lib")));
    assert!(problems.iter().any(|p| p.what.starts_with(
        "/usr/lib/x86_64-linux-gnu/libc.so.6 has no mount point (library libc.so.6, needed by /bin/true, found by ld.so.cache)"
    )), "{problems:#?}");
}
