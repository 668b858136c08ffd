//! What of links is refused.

use super::*;

#[test]
fn of_another_user_are_refused() {
    let mut world = World::linux();
    world.link_of(1000, false, "/srv/site", "/etc/hosts");
    let (what, help) = world.problem(&www("read = [\"/srv/site\"]"));
    assert_eq!(
        what,
        "read = \"/srv/site\": the link /srv/site -> /etc/hosts belongs to uid 1000, and the file at its end to uid 0, \
         so it could be pointed anywhere"
    );
    assert_eq!(help, "write /etc/hosts if that is the file that is meant");
}

#[test]
fn in_a_directory_of_others_are_refused() {
    let mut world = World::linux();
    world.own("/srv/x", Kind::File, 33, 0o644).link_of(0, true, "/srv/site", "x");
    assert_eq!(
        world.problem(&www("read = [\"/srv/site\"]")).0,
        "read = \"/srv/site\": the link /srv/site -> x stands in a directory where others may write, and the \
         file at its end belongs to uid 33, so it could be pointed anywhere"
    );
}

#[test]
fn of_root_that_others_may_move_are_followed_only_to_what_everybody_may_read() {
    for (kind, public, secret) in [(Kind::File, 0o644, 0o640), (Kind::Directory, 0o755, 0o750)] {
        let world = |mode| {
            let mut world = World::linux();
            world.own("/srv/end", kind, 0, mode).link_of(0, true, "/srv/site", "end");
            world
        };
        assert!(world::line(&world(public).plan(&www("read = [\"/srv/site\"]")), "bind", "/srv/end").is_some());
        let (what, help) = world(secret).problem(&www("read = [\"/srv/site\"]"));
        assert_eq!(
            what,
            "read = \"/srv/site\": the link /srv/site -> end stands in a directory where others may write, and what is \
             at its end is not for everybody to read, so it could be pointed anywhere"
        );
        assert_eq!(help, "write /srv/end if that is the file that is meant");
    }
}

#[test]
fn of_who_owns_the_file_are_followed() {
    let mut world = World::linux();
    world.own("/home/u/site", Kind::Directory, 1000, 0o755).link_of(1000, true, "/srv/site", "/home/u/site");
    let plan = world.plan(&www("read = [\"/srv/site\"]"));
    assert!(world::line(&plan, "link", "/srv/site").unwrap().contains("to /home/u/site"));
    assert!(world::line(&plan, "bind", "/home/u/site").is_some());
}

#[test]
fn of_another_user_on_the_way_to_a_library_are_refused() {
    let mut world = World::linux();
    world.link_of(1000, false, "/opt/lib", "/usr/lib/x86_64-linux-gnu").file("/usr/lib/x86_64-linux-gnu/libz.so.1");
    world.program("/bin/prog", &[("libz.so.1", "/opt/lib/libz.so.1")]);
    let (what, _) = world.problem(&www("command = \"/bin/prog\""));
    assert!(
        what.starts_with("library libz.so.1, needed by /bin/prog, found by ld.so.cache: the link /opt/lib ->"),
        "{what}"
    );
}

#[test]
fn of_another_user_on_the_way_to_what_is_made_are_refused() {
    let mut world = World::linux();
    world.link_of(1000, false, "/srv/data", "/etc");
    let (what, _) = world.problem(&www("[[mount]]\nsource = \"/srv/data/x\"\ncreate = true"));
    assert!(what.contains("the link /srv/data -> /etc belongs to uid 1000"), "{what}");
}

#[test]
fn where_the_program_may_write_are_refused_whoever_owns_them() {
    let program = |read: &str, more: &str| {
        format!(
            "command = [\"/usr/sbin/app\"]\nuser = \"root\"\nread = [{read:?}]\nwrite = [\"/srv/d\"]\nenv-file = []\n{more}"
        )
    };
    let world = |uid: u32| {
        let mut world = World::linux();
        world.program("/usr/sbin/app", &[]).dir("/srv/d/x").own("/srv/key", Kind::File, uid, 0o600);
        world.link_of(uid, false, "/srv/d/x/f", "/srv/key").file("/srv/d/x/plain").file("/srv/conf");
        world
    };
    // Root's, and one whose owner owns the file at the end: as either the program may have made it.
    for uid in [0, 1000] {
        let (what, help) = world(uid).problem(&program("/srv/d/x/f", ""));
        assert_eq!(
            what,
            "read = \"/srv/d/x/f\": the link /srv/d/x/f -> /srv/key stands where the program may write, so it could \
             point it anywhere"
        );
        assert_eq!(help, "write /srv/key if that is the file that is meant");
    }
    let variables = program("/srv/conf", "").replace("env-file = []", "env-file = [\"/srv/d/x/f\"]");
    let problems = world(0).resolve(&variables).unwrap_err();
    let begins = "env-file = \"/srv/d/x/f\": the link /srv/d/x/f -> /srv/key stands where the program may write";
    assert!(problems.iter().any(|problem| problem.what.starts_with(begins)), "{problems:?}");
    // A plain file there is what it is, but no other one takes its place while the jail runs.
    let fresh = |read: &str| world(0).plan(&program(read, "")).fresh.iter().any(|fresh| fresh.asked.as_str() == read);
    assert_eq!((fresh("/srv/d/x/plain"), fresh("/srv/conf")), (false, true));
}
