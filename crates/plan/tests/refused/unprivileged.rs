//! A caller who is not root: what they may have, and every key that they may not.

use thinjail_closure::tree::Kind;
use thinjail_plan::facts::SystemKind;
use thinjail_plan::plan::Plan;
use thinjail_plan::resolve::privilege;
use thinjail_plan::step::{Confine, Step};

use crate::world::{self, World};

const WWW: &str = "user = \"www-data\"";

/// A Linux as www-data sees it, who has a directory.
fn world() -> World {
    let mut world = World::linux();
    world.caller = 33;
    world.own("/srv/own", Kind::Directory, 33, 0o755);
    world
}

/// What keeps www-data from running this; each with what to do.
fn refused(lines: &str) -> Vec<String> {
    let world = world();
    let spec = world::spec(lines);
    let problems = privilege(&spec, &world.facts(&spec));
    assert!(problems.iter().all(|problem| problem.help.is_some()), "{problems:?}");
    problems.into_iter().map(|problem| problem.what).collect()
}

fn namespaces(plan: &Plan) -> Vec<String> {
    let confine = plan.inside.iter().find_map(|planned| match &planned.step {
        Step::Confine(Confine::Linux { namespaces, .. }) => Some(namespaces.clone()),
        _ => None,
    });
    confine.unwrap()
}

#[test]
fn without_root_the_jail_is_the_callers_own() {
    for lines in ["", WWW, "user = \"33\"", "user = \"www-data\"\ngroup = \"www-data\"\ngroups = []"] {
        assert_eq!(refused(lines), [""; 0], "{lines}");
        let plan = world().plan(lines);
        assert_eq!(namespaces(&plan), ["ipc", "mount", "pid", "user", "uts"]);
        assert_eq!((plan.exec.ids.uid, plan.exec.ids.gid), (33, 33));
        for planned in &plan.inside {
            if let Step::MakeDir { uid, gid, .. } | Step::PutFile { uid, gid, .. } | Step::Tmpfs { uid, gid, .. } =
                &planned.step
            {
                assert_eq!((*uid, *gid), (33, 33), "{planned:?}");
            }
        }
        assert!(plan.notes.iter().any(|note| note.contains("user namespace")), "{:?}", plan.notes);
    }
}

#[test]
fn every_key_that_needs_a_second_id_is_named() {
    for (lines, what) in [
        ("user = \"root\"", "user = \"root\": without root a jail runs as its caller, who is uid 33"),
        ("user = \"nobody\"", "user = \"nobody\": without root"),
        ("group = \"adm\"", "group = \"adm\": without root a jail has its caller's group, which is gid 33"),
        ("groups = [\"adm\"]", "groups: without root no group can be taken or dropped"),
    ] {
        let problems = refused(lines);
        assert!(matches!(&problems[..], [problem] if problem.starts_with(what)), "{lines}: {problems:?}");
    }
    let owned = "[[mount]]\nsource = \"/srv/own/x\"\ncreate = true\nowner = \"root\"\ngroup = \"adm\"";
    let problems = refused(owned);
    assert!(problems[0].contains("owner = \"root\"") && problems[1].contains("group = \"adm\""), "{problems:?}");
}

#[test]
fn every_key_that_needs_a_privilege_is_named() {
    for (lines, what) in [
        ("capabilities = \"net_bind_service\"", "capabilities: without root"),
        ("run-dir = \"x\"", "run-dir = \"x\": uid 33 may make nothing in /run"),
        ("state-dir = \"x\"", "state-dir = \"x\": uid 33 may make nothing in /var/lib"),
        ("log-dir = \"x\"", "log-dir = \"x\": uid 33 may make nothing in /var/log"),
        ("cache-dir = \"x\"", "cache-dir = \"x\": uid 33 may make nothing in /var/cache"),
        ("pidfile = \"/run/x.pid\"", "pidfile = \"/run/x.pid\": uid 33 may make nothing in /run"),
        (
            "[[mount]]\nsource = \"/var/x\"\ncreate = true",
            "[[mount]] source = \"/var/x\": uid 33 may make nothing in /var",
        ),
    ] {
        let problems = refused(lines);
        assert!(matches!(&problems[..], [problem] if problem.starts_with(what)), "{lines}: {problems:?}");
    }
    for fine in
        ["[[mount]]\nsource = \"/srv/own/x\"\ncreate = true", "pidfile = \"/srv/own/x.pid\"", "network = \"none\""]
    {
        assert_eq!(refused(fine), [""; 0], "{fine}");
    }
}

#[test]
fn who_may_not_run_it_may_look_at_what_root_would_run() {
    let plan = world().plan("user = \"nobody\"");
    assert_eq!(namespaces(&plan), ["ipc", "mount", "pid", "uts"]);
    assert!(plan.notes.iter().any(|note| note.contains("only root can run it")), "{:?}", plan.notes);
}

#[test]
fn on_freebsd_only_root_makes_a_jail() {
    let mut world = World::freebsd(1_402_000);
    let spec = world::spec("user = \"www\"");
    assert_eq!(world.system.kind(), SystemKind::FreeBsd);
    assert_eq!(privilege(&spec, &world.facts(&spec)), []);
    world.caller = 80;
    let problems = privilege(&spec, &world.facts(&spec));
    assert!(matches!(&problems[..], [one] if one.what.contains("only root")), "{problems:?}");
}
