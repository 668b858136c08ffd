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

/// A program of root's that writes to /srv/d, where a link of root's leads to what only root may read.
fn in_its_hands() -> World {
    let mut world = World::linux();
    world.program("/usr/sbin/app", &[]).own("/srv/key", Kind::File, 0, 0o600).own("/adm", Kind::Directory, 0, 0o700);
    world.dir("/srv/d").link("/srv/d/key", "/srv/key").link("/srv/d/root", "/adm").link("/srv/d/new", "/adm/.ssh");
    world.file("/srv/d/own").link("/srv/d/within", "own");
    world
}

const APP: &str = "command = \"/usr/sbin/app\"\nuser = \"root\"\nwrite = [\"/srv/d\"]\n";

#[test]
fn where_the_program_may_write_lead_nowhere_by_any_other_key() {
    let stands = "stands where the program may write, so it could point it anywhere";
    let made = "[[mount]]\nsource = \"/srv/d/new\"\ncreate = true\nwrite = true\nowner = \"root\"";
    for (key, link, help) in [
        ("secrets = [\"/srv/d/key\"]", "/srv/d/key -> /srv/key", "/srv/key"),
        ("listen = [\"/srv/d/root/x.sock\"]", "/srv/d/root -> /adm", "/adm"),
        (made, "/srv/d/new -> /adm/.ssh", "/adm/.ssh"),
        (&made.replace("d/new", "d/root/new"), "/srv/d/root -> /adm", "/adm/new"),
    ] {
        let (what, said) = in_its_hands().problem(&format!("{APP}{key}"));
        assert!(what.ends_with(&format!("the link {link} {stands}")), "{what}");
        assert_eq!(said, format!("write {help} if that is the file that is meant"));
    }
    // The place itself may be a link that leads to what is not there yet.
    let mut world = in_its_hands();
    world.dir("/data").link("/srv/e", "/data/e");
    let made = "[[mount]]\nsource = \"/srv/e\"\ncreate = true\nwrite = true";
    assert!(world::line(&world.plan(&format!("{APP}{made}")), "bind", "/data/e").is_some());
}

#[test]
fn where_the_program_may_write_lead_a_program_to_what_everybody_may_read() {
    let program = |end: &str, mode: u32| {
        let mut world = in_its_hands();
        world.own(end, Kind::File, 0, mode).link("/srv/d/tool", end).program("/srv/d/tool", &[]);
        world.resolve(&format!("{APP}programs = [\"/srv/d/tool\"]"))
    };
    assert!(program("/usr/bin/tool", 0o755).is_ok() && program("/srv/d/tool-1.0", 0o700).is_ok());
    let problems = program("/adm/tool", 0o700).unwrap_err();
    let says = "program /srv/d/tool: the link /srv/d/tool -> /adm/tool stands where the program may write";
    assert!(problems.iter().any(|problem| problem.what.starts_with(says)), "{problems:?}");
}

#[test]
fn where_the_program_may_write_are_not_followed_by_a_refresh() {
    let mut world = World::linux();
    world.program("/usr/sbin/app", &[]).dir("/srv/d").file("/srv/conf");
    let plan = world.plan(&format!("{APP}read = [\"/srv/conf\"]"));
    let fresh = plan.fresh.iter().find(|fresh| fresh.asked.as_str() == "/srv/conf").unwrap();
    let refreshed = |world: &World| {
        let mut facts = world.facts(&world::spec(APP));
        facts.paths.insert(fresh.asked.clone(), world.follow("/srv/conf"));
        thinjail_plan::resolve::decide_fresh(fresh, &plan, &facts)
    };
    assert!(refreshed(&world).is_ok());
    // Root has put a link there meanwhile, and the program another.
    world.file("/etc/conf").link("/srv/d/conf", "/etc/conf").link("/srv/conf", "/srv/d/conf");
    let problem = refreshed(&world).unwrap_err();
    assert!(
        problem.what.contains("the link /srv/d/conf -> /etc/conf stands where the program may write"),
        "{problem:?}"
    );
    world.nodes.remove("/srv/d/conf");
    world.file("/srv/d/conf");
    assert_eq!(refreshed(&world).unwrap_err().what, "refresh /srv/conf: the program may write to /srv/d/conf");
}
