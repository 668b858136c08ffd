//! What likely fails inside by the permission bits alone.
#![allow(clippy::unwrap_used, clippy::panic)]

mod world;

use thinjail_closure::tree::Kind;
use world::World;

const WWW: u32 = 33;

/// The doubts of a profile, on a host with /srv/d of this owner, group and mode.
fn doubts(owner: u32, group: u32, mode: u32, profile: &str) -> Vec<String> {
    let mut world = World::linux();
    world.dir("/srv").own("/srv/d", Kind::Directory, owner, mode);
    world.nodes.get_mut("/srv/d").unwrap().gid = group;
    let plan = world.plan(profile);
    plan.notes.into_iter().filter(|note| note.contains("may not")).collect()
}

#[test]
fn a_directory_that_the_user_may_not_write_is_told() {
    assert_eq!(
        doubts(0, 0, 0o755, "user = \"www-data\"\nwrite = [\"/srv/d\"]"),
        ["write = \"/srv/d\": uid 33 may not make files in /srv/d, which is 0:0's with mode 0755"]
    );
    assert_eq!(
        doubts(0, 0, 0o700, "user = \"www-data\"\nread = [\"/srv/d\"]"),
        ["read = \"/srv/d\": uid 33 may not open files in /srv/d, which is 0:0's with mode 0700"]
    );
}

#[test]
fn the_first_class_that_fits_decides() {
    let write = "user = \"www-data\"\nwrite = [\"/srv/d\"]";
    for (owner, group, mode, fine) in [
        (WWW, 0, 0o700, true),
        (WWW, 0, 0o077, false),
        (0, 33, 0o070, true),
        (0, 33, 0o707, false),
        (0, 0, 0o007, true),
        (0, 0, 0o005, false),
    ] {
        assert_eq!(doubts(owner, group, mode, write).is_empty(), fine, "{owner}:{group} {mode:o}");
    }
}

#[test]
fn root_without_capabilities_is_a_user_like_others() {
    let write = "user = \"root\"\nwrite = [\"/srv/d\"]";
    assert_eq!(doubts(WWW, 33, 0o755, write).len(), 1);
    assert!(doubts(WWW, 33, 0o755, &format!("{write}\ncapabilities = \"drop-user\"")).is_empty());
}

#[test]
fn what_can_be_used_is_no_doubt() {
    assert!(doubts(0, 0, 0o755, "user = \"www-data\"\nread = [\"/srv/d\"]").is_empty());
}

#[test]
fn a_program_that_the_program_may_replace_is_told() {
    let mut world = World::linux();
    world.program("/srv/app/bin/run", &[("libx.so.1", "/srv/app/lib/libx.so.1")]);
    let notes = |profile: &str| {
        let plan = world.plan(&format!("command = \"/srv/app/bin/run\"\nuser = \"www-data\"\n{profile}"));
        plan.notes.into_iter().filter(|note| note.contains("next start")).collect::<Vec<_>>()
    };
    let says = |what: &str| {
        format!("the program may write to {what}, and so choose what is executed at the next start: keep it elsewhere")
    };
    // The loader is not there, nor is the C library.
    assert_eq!(notes("write = [\"/srv/app/lib\"]"), [says("/srv/app/lib/libx.so.1")]);
    let both = "[[mount]]\nsource = \"/srv/app\"\nwrite = true\nexec = true";
    assert_eq!(notes(both), [says("/srv/app/bin/run, /srv/app/lib/libx.so.1")]);
    assert_eq!(notes("isolation = \"landlock\"\nwrite = [\"/srv/app/lib\"]"), [says("/srv/app/lib/libx.so.1")]);
    assert!(notes("read = [\"/srv/app\"]").is_empty() && notes("write = [\"/var/log\"]").is_empty());
}

#[test]
fn a_secret_that_everybody_may_read_on_the_host_is_told() {
    for (mode, told) in [(0o644, true), (0o604, true), (0o640, false), (0o600, false)] {
        let mut world = World::linux();
        world.dir("/srv").own("/srv/key", Kind::File, 0, mode);
        for key in ["secrets", "read"] {
            let notes = world.plan(&format!("user = \"www-data\"\n{key} = [\"/srv/key\"]")).notes;
            let about: Vec<String> = notes.into_iter().filter(|note| note.contains("everybody")).collect();
            let said = format!(
                "secrets = \"/srv/key\": everybody on the host may read /srv/key, mode {mode:04o}: `chmod o-r` it, or name it in read"
            );
            assert_eq!(about, Vec::from_iter((told && key == "secrets").then_some(said)));
        }
    }
}
