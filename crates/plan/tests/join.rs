//! A command beside a jail that runs: what is the jail's, what is the command's, and where they are in each other's way.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use thinjail_closure::hints::ld_so_cache;
use thinjail_closure::tree::FileId;
use thinjail_plan::facts::Facts;
use thinjail_plan::join::{Joined, join};
use thinjail_plan::path::{HostPath, RootPath};
use thinjail_plan::plan::{Network, Plan};
use thinjail_plan::resolve::resolve;
use thinjail_plan::spec::toml;
use thinjail_plan::step::{Access, Content, Planned, ProcView, Source, Step};

/// The real path of the command.
const ECHO: &str = "/usr/bin/echo";

fn plan(scenario: &str, profile: &str) -> Plan {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    let read = |path: &str| std::fs::read_to_string(Path::new(&root).join(path)).unwrap();
    let facts: Facts = serde_json::from_str(&read(&format!("tests/scenarios/{scenario}/facts.linux.json"))).unwrap();
    resolve(scenario, &toml::parse(&read(profile), scenario).unwrap(), &facts).unwrap()
}

/// redis and echo, seen on one host: what has one path is one file.
fn both() -> (Plan, Plan) {
    let mut jail = plan("redis", "../../profiles/redis.toml");
    let mut tool = plan("echo", "tests/scenarios/echo/profile.toml");
    for planned in jail.inside.iter_mut().chain(&mut tool.inside) {
        if let Step::Bind { source, .. } = &mut planned.step {
            source.id = Some(FileId { dev: 1, ino: source.path.as_str().bytes().map(u64::from).sum() });
        }
    }
    (jail, tool)
}

fn at(path: &str) -> RootPath {
    RootPath::new(path).unwrap()
}

fn step<'p>(plan: &'p Plan, path: &str) -> &'p Step {
    let mut steps = plan.inside.iter().map(|planned| &planned.step);
    steps.find(|step| step.at() == Some(&at(path))).unwrap_or_else(|| panic!("nothing at {path}: {plan}"))
}

/// The first library that both load.
fn library(jail: &Plan, tool: &Plan) -> RootPath {
    let loads = |plan: &Plan, path: &RootPath| {
        plan.inside
            .iter()
            .any(|planned| matches!(&planned.step, Step::Bind { at, access, .. } if at == path && access.exec))
    };
    let mut places = tool.inside.iter().filter_map(|planned| planned.step.at());
    places.find(|path| loads(jail, path) && loads(tool, path)).unwrap().clone()
}

fn joined(jail: &Plan, tool: &Plan) -> Joined {
    join(jail, tool, false, &[]).unwrap()
}

#[track_caller]
fn refused(jail: &Plan, tool: &Plan, parts: &[&str]) {
    let problems = join(jail, tool, false, &[]).unwrap_err();
    let text = format!("{problems:?}");
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    assert!(problems.iter().all(|problem| problem.help.is_some()), "{text}");
}

fn set(plan: &mut Plan, path: &str, step: Step) {
    plan.inside.retain(|planned| planned.step.at() != Some(&at(path)));
    plan.inside.push(Planned { step, why: "for the test".into() });
}

fn directory(host: &str, place: &str, access: Access) -> Step {
    let source = Source {
        path: HostPath::new(host).unwrap(),
        id: Some(FileId { dev: 1, ino: 1 }),
        kind: thinjail_closure::tree::Kind::Directory,
    };
    Step::Bind { source, at: at(place), access }
}

#[test]
fn the_jail_s_mounts_are_its_own_and_the_command_brings_the_rest() {
    let (jail, tool) = both();
    let Joined { plan, shared, same } = joined(&jail, &tool);
    assert!(shared.contains(&at("/var/lib/redis")), "{shared:?}");
    assert!(!shared.contains(&at(ECHO)), "{shared:?}");
    assert!(matches!(step(&plan, ECHO), Step::Bind { access, .. } if access.exec && !access.write));
    let library = library(&jail, &tool);
    assert!(shared.contains(&library) && same.contains(&library), "{library}");
    // Parents come first, and every place once.
    let places: Vec<_> = plan.inside.iter().filter_map(|planned| planned.step.at()).collect();
    assert!(places.is_sorted());
    // Nothing is made on the host, and no place is left out.
    assert!(plan.host.is_empty() && plan.pidfile.is_none());
    for planned in jail.inside.iter().filter(|planned| planned.step.at().is_some()) {
        assert!(places.contains(&planned.step.at().unwrap()));
    }
    assert!(matches!(step(&plan, "/proc"), Step::Proc { view: ProcView::Full, .. }));
    let Step::PutFile { content: Content::Bytes(bytes), .. } = step(&plan, ld_so_cache::PATH) else { panic!("{plan}") };
    let cache = ld_so_cache::Cache::parse(bytes.clone(), false);
    assert!(cache.lookup("libssl.so.3", 0x303, || &[]).is_some(), "redis needs it, and a shell may run redis");
}

#[test]
fn it_runs_as_the_jail_s_user_or_another_with_one_capability_that_the_daemon_has_not() {
    let (mut jail, tool) = both();
    let plan = joined(&jail, &tool).plan;
    assert_eq!((&plan.exec.ids, &plan.exec.chdir), (&jail.exec.ids, &jail.exec.chdir));
    assert_eq!(plan.exec.capabilities, ["block_suspend"]);
    assert_eq!((&plan.exec.argv, &plan.exec.program), (&tool.exec.argv, &tool.exec.program));
    assert_eq!(
        (plan.exec.network, plan.exec.tty, plan.exec.limits == jail.exec.limits),
        (Network::Inherit, false, true)
    );
    jail.exec.capabilities = vec!["block_suspend".into(), "chown".into()];
    assert_eq!(joined(&jail, &tool).plan.exec.capabilities, ["block_suspend", "chown", "wake_alarm"]);
    jail.exec.env.push(("NOTIFY_SOCKET".into(), "/.notify".into()));
    let env = [("TERM".to_owned(), "vt100".to_owned())];
    let own = join(&jail, &tool, true, &env).unwrap().plan.exec;
    assert_eq!(
        (own.ids, own.capabilities, own.chdir),
        (tool.exec.ids, vec!["wake_alarm".to_owned()], RootPath::root())
    );
    assert!(own.env.contains(&env[0]) && own.env.is_sorted());
    assert!(own.env.iter().all(|(name, _)| name != "NOTIFY_SOCKET"), "it would speak for the daemon");
}

#[test]
fn another_file_at_a_place_of_the_command_s_is_refused() {
    let (jail, tool) = both();
    let library = library(&jail, &tool);
    let mut upgraded = tool.clone();
    for planned in &mut upgraded.inside {
        if let Step::Bind { source, at, .. } = &mut planned.step
            && *at == library
        {
            source.id = Some(FileId { dev: 1, ino: 7 });
        }
    }
    refused(&jail, &upgraded, &[library.as_str(), "an older file", "restart the jail"]);
    for strange in [
        Step::PutFile { at: library.clone(), content: Content::Text("x".into()), mode: 0o444, uid: 0, gid: 0 },
        Step::Symlink { at: library.clone(), to: "/x".into() },
        Step::MakeDir { at: library.clone(), mode: 0o755, uid: 0, gid: 0 },
    ] {
        let mut jail = jail.clone();
        set(&mut jail, library.as_str(), strange);
        refused(&jail, &tool, &[library.as_str(), "something else"]);
    }
}

#[test]
fn what_the_jail_can_write_is_not_executed() {
    let (mut jail, mut tool) = both();
    let program = "/srv/own/tool";
    let Step::Bind { source, access, .. } = step(&tool, ECHO).clone() else { panic!("{tool}") };
    let source = Source { path: HostPath::new(program).unwrap(), ..source };
    set(&mut tool, program, Step::Bind { source, at: at(program), access });
    let read = Access { write: false, exec: false, dev: false };
    // Beside the jail's own things, and in a directory that the jail reads: on top of the very same file.
    assert!(joined(&jail, &tool).same.iter().all(|place| place.as_str() != program));
    set(&mut jail, "/srv", directory("/srv", "/srv", read));
    assert!(joined(&jail, &tool).same.contains(&at(program)));
    // In another directory at that place.
    set(&mut jail, "/srv", directory("/data", "/srv", read));
    refused(&jail, &tool, &[program, "something else"]);
    // Where the jail writes.
    set(&mut jail, "/srv", directory("/srv", "/srv", Access { write: true, ..read }));
    refused(&jail, &tool, &[program, "the jail can write"]);
    let memory =
        Step::Tmpfs { at: at("/srv"), size: 1, mode: 0o755, uid: 0, gid: 0, access: Access { write: true, ..read } };
    set(&mut jail, "/srv", memory);
    refused(&jail, &tool, &[program, "the jail can write"]);
}

#[test]
fn without_namespaces_there_is_nothing_to_join() {
    let (mut jail, tool) = both();
    jail.inside.retain(|planned| planned.step.at().is_some());
    refused(&jail, &tool, &["no namespaces of its own"]);
}
