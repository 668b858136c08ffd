//! Each key of a profile by itself: it shows in the plan, whoever reads one.
#![allow(clippy::unwrap_used, clippy::panic)]

mod world;

use std::path::Path;

use serde_json::Value;
use thinjail_closure::tree::Kind;
use thinjail_plan::env_file::LineFault;
use thinjail_plan::facts::{Cgroup, EnvFileFact, Facts, LinkFact, LinksFact, LinksLimit, PathFact};
use thinjail_plan::path::HostPath;
use thinjail_plan::resolve::{dangling, resolve};
use thinjail_plan::spec::{Spec, toml};
use world::World;

fn everything(name: &str) -> String {
    let dir = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/scenarios/everything");
    std::fs::read_to_string(dir.join(name)).unwrap()
}

/// The plan as text, or what is wrong with it: that is an answer, too.
fn said(spec: &Value, facts: &Facts) -> String {
    let spec: Spec = serde_json::from_value(spec.clone()).unwrap();
    match resolve("everything", &spec, facts) {
        Ok(plan) => plan.to_string(),
        Err(problems) => format!("{problems:?}"),
    }
}

#[test]
fn a_plan_changes_when_any_key_of_its_profile_is_taken_out() {
    let profile = serde_json::to_value(toml::parse(&everything("profile.toml"), "everything").unwrap()).unwrap();
    let empty = serde_json::to_value(Spec::default()).unwrap();
    let facts = |system| serde_json::from_str::<Facts>(&everything(&format!("facts.{system}.json"))).unwrap();
    let systems = [("linux", facts("linux")), ("freebsd", facts("freebsd"))];
    // What is used was laid below before anything is resolved; `plan --origin` tells of it.
    for key in profile.as_object().unwrap().keys().filter(|key| *key != "use") {
        let shows = systems.iter().any(|(system, facts)| {
            let mut without = profile.clone();
            // What is on unless it is switched off shows when that is done.
            without[key] = if key == "supervisor" { false.into() } else { empty[key].clone() };
            if let Some(table) = without[system].as_object_mut() {
                table.insert(key.clone(), empty[key].clone());
            }
            said(&without, facts) != said(&profile, facts)
        });
        assert!(shows, "no line of a plan is about `{key}`; is it in the scenario `everything`?");
    }
}

#[test]
fn a_plan_changes_when_any_key_of_a_mount_is_taken_out() {
    let profile = serde_json::to_value(toml::parse(&everything("profile.toml"), "everything").unwrap()).unwrap();
    let facts: Facts = serde_json::from_str(&everything("facts.linux.json")).unwrap();
    let empty = serde_json::to_value(thinjail_plan::spec::Mount::default()).unwrap();
    for key in empty.as_object().unwrap().keys() {
        let shows = (0..profile["mount"].as_array().unwrap().len()).any(|index| {
            let mut without = profile.clone();
            without["mount"][index][key] = empty[key].clone();
            said(&without, &facts) != said(&profile, &facts)
        });
        assert!(shows, "no line of a plan is about `{key}` of a mount; is it in the scenario `everything`?");
    }
}

#[test]
fn params_are_among_the_parameters_of_the_jail() {
    let world = World::freebsd(1_402_000);
    let plan = world.plan("user = \"www\"\n[freebsd]\nparams = { securelevel = \"3\" }").to_string();
    assert!(plan.contains("securelevel=3"), "{plan}");
}

#[test]
fn one_of_the_programs_that_is_not_there_is_named() {
    let (what, help) = World::linux().problem("user = \"www-data\"\nprograms = [\"pg_dump\"]");
    assert_eq!((what.as_str(), help.as_str()), ("run pg_dump: no such file", "write its path, or install the program"));
}

#[test]
fn limits_of_the_whole_jail_are_in_one_group_of_version_2_and_in_several_of_version_1() {
    let group = |controller: &str, version, parent: &str| Cgroup {
        controller: controller.into(),
        version,
        parent: HostPath::new(parent).unwrap(),
    };
    let profile = "user = \"www-data\"\nlimits = { memoryuse = \"1M\", pcpu = 150, maxproc = 10 }";
    let both = ["memory", "pids", "cpu"].map(|controller| group(controller, 2, "/sys/fs/cgroup/a")).to_vec();
    let plan = World { cgroups: both, ..World::linux() }.plan(profile).to_string();
    for line in [
        "/sys/fs/cgroup/a/thinjail.test.PID  pids.max=11 memory.max=1048576 cpu.max=\"150000 100000\", removed at the end",
        "memoryuse 1 MiB: the whole jail, by a cgroup (version 2)",
        "pcpu 150 % of a processor: the whole jail, by a cgroup (version 2)",
    ] {
        assert!(plan.contains(line), "{plan}");
    }
    let apart = vec![group("memory", 1, "/sys/fs/cgroup/memory"), group("cpu", 1, "/sys/fs/cgroup/cpu")];
    let plan = World { cgroups: apart, ..World::linux() }.plan(profile).to_string();
    for line in [
        "/sys/fs/cgroup/memory/thinjail.test.PID  memory.limit_in_bytes=1048576, removed",
        "/sys/fs/cgroup/cpu/thinjail.test.PID     cpu.cfs_period_us=100000 cpu.cfs_quota_us=150000, removed",
        "maxproc 10: each process, by setrlimit(2)",
        "maxproc is setrlimit(2)'s, since no cgroup can count processes here",
    ] {
        assert!(plan.contains(line), "{plan}");
    }
}

#[test]
fn secrets_that_are_no_small_files_of_roots_are_refused() {
    let mut world = World::linux();
    world.dir("/etc/keys").put("/srv/sock", thinjail_closure::tree::Kind::Socket);
    for (path, what) in [
        ("/etc/nosuch", "secrets = \"/etc/nosuch\": /etc/nosuch does not exist"),
        ("/etc/keys", "secrets = \"/etc/keys\": /etc/keys is no regular file"),
        ("/srv/sock", "secrets = \"/srv/sock\": /srv/sock is no regular file"),
        ("/dev/null", "secrets = \"/dev/null\": /dev/null is the kernel's, and no file of root's"),
    ] {
        let (said, help) = world.problem(&format!("user = \"www-data\"\nsecrets = [\"{path}\"]"));
        assert_eq!(said, what);
        assert!(!help.is_empty());
    }
    assert!(world.problem("user = \"www-data\"\nsecrets = [\"key\"]").0.starts_with("secrets = \"key\""));
}

#[test]
fn of_files_of_variables_the_plan_has_the_names_and_env_wins_over_them() {
    let mut world = World::linux();
    world.own("/etc/one", Kind::File, 0, 0o600).own("/etc/two", Kind::File, 0, 0o640);
    let names =
        |names: &[&str]| EnvFileFact::Names { loose: false, names: names.iter().map(ToString::to_string).collect() };
    let path = |path: &str| HostPath::new(path).unwrap();
    world.env_files.insert(path("/etc/one"), names(&["A", "B", "HOME", "C"]));
    world.env_files.insert(path("/etc/two"), names(&["B", "D", "B"]));
    let plan = world.plan("user = \"www-data\"\nenv-file = [\"/etc/one\", \"/etc/two\"]\nenv = { C = \"3\" }");
    let text = plan.to_string();
    let env: Vec<_> = text.lines().filter_map(|line| line.trim().strip_prefix("env ")).map(str::trim).collect();
    let own = |line: &&&str| !["PATH", "SHELL", "USER", "LOGNAME"].iter().any(|name| line.starts_with(name));
    assert_eq!(
        env.iter().filter(own).collect::<Vec<_>>(),
        [
            &"C=3",
            &"A as /etc/one has it at the start",
            &"HOME as /etc/one has it at the start",
            &"B as /etc/two has it at the start",
            &"D as /etc/two has it at the start"
        ]
    );
}

#[test]
fn files_of_variables_that_others_may_write_or_that_have_a_fault_are_refused() {
    let names = |loose| EnvFileFact::Names { loose, names: vec!["A".into()] };
    let fault = LineFault { line: 3, why: "there is no = in it".into(), help: "write NAME=VALUE".into() };
    let put = "could have the program do anything";
    for (mode, uid, fact, what) in [
        (0o602, 0, names(false), format!("users other than its owner may write /etc/e, and {put}")),
        (0o660, 0, names(false), format!("users other than its owner may write /etc/e, and {put}")),
        (0o600, 33, names(false), format!("/etc/e belongs to uid 33, and {put}")),
        (0o600, 0, names(true), format!("others may put another file in the place of /etc/e, and {put}")),
        (0o600, 0, EnvFileFact::Fault { loose: false, fault }, "/etc/e:3: there is no = in it".into()),
    ] {
        let mut world = World::linux();
        world.own("/etc/e", Kind::File, uid, mode);
        world.env_files.insert(HostPath::new("/etc/e").unwrap(), fact);
        let (said, help) = world.problem("user = \"www-data\"\nenv-file = [\"/etc/e\"]");
        assert_eq!(said, format!("env-file = \"/etc/e\": {what}"));
        assert!(!help.is_empty());
    }
    let mut world = World::linux();
    world.dir("/etc/d");
    let told = |file: &str| world.problem(&format!("user = \"www-data\"\nenv-file = [\"{file}\"]"));
    assert_eq!(told("/etc/d").0, "env-file = \"/etc/d\": /etc/d is no regular file");
    assert_eq!(told("/etc/no").1, "make it, empty if need be, or take it out");
    assert_eq!(told("-/etc/no").1, "take the - out: a file that is named has to be there, and may be empty");
}

fn link_fact(at: &str, to: &str, way: PathFact) -> LinkFact {
    LinkFact { at: HostPath::new(at).unwrap(), to: HostPath::new(to).unwrap(), way }
}

#[test]
fn links_are_followed_only_where_root_has_put_them_and_named_where_they_are_not() {
    let profile = "command = [\"/usr/bin/app\"]\nuser = \"nobody\"\nread = [\"/etc/app\"]\n";
    let mut world = World::linux();
    world.program("/usr/bin/app", &[]).dir("/etc/app");
    world.file("/usr/share/app/a").file("/usr/share/app/b").file("/usr/share/app/c").file("/etc/app/own");
    world.link("/etc/app/a", "/usr/share/app/a");
    world.link_of(1000, false, "/etc/app/b", "/usr/share/app/b");
    world.link_of(0, true, "/etc/app/c", "/usr/share/app/c");
    world.link("/etc/app/d", "/usr/share/app/d").link("/etc/app/null", "/dev/null");
    world.own("/dev/null", Kind::CharDevice, 0, 0o666);
    let ends = [
        ("a", "/usr/share/app/a"),
        ("b", "/usr/share/app/b"),
        ("c", "/usr/share/app/c"),
        ("d", "/usr/share/app/d"),
        ("null", "/dev/null"),
    ];
    let links = ends.iter().map(|(name, to)| {
        let at = format!("/etc/app/{name}");
        link_fact(&at, to, world.follow(&at))
    });
    let fact = LinksFact { links: links.collect(), ..LinksFact::default() };
    world.links.insert(HostPath::new("/etc/app").unwrap(), fact);
    let plan = |lines: &str| {
        let spec = world::spec(lines);
        let mut facts = world.facts(&spec);
        for (_, to) in ends {
            facts.paths.insert(HostPath::new(to).unwrap(), world.follow(to));
        }
        (resolve("app", &spec, &facts).unwrap(), facts)
    };
    let (kept, facts) = plan(profile);
    assert!(!kept.to_string().contains("/usr/share/app"), "{kept}");
    let named = dangling(&kept, &facts);
    assert_eq!(named.len(), 3, "{named:?}");
    assert_eq!(
        named[0],
        "the link /etc/app/a leads to /usr/share/app/a, which is not inside: write read = [\"/usr/share/app/a\"], \
         or links = \"follow\" for all of them"
    );
    let (followed, facts) = plan(&format!("{profile}links = \"follow\"\n"));
    let text = followed.to_string();
    assert!(text.contains("/usr/share/app/a"), "{text}");
    let notes = "is not followed: a user other than root could point it elsewhere";
    assert_eq!(text.matches(notes).count(), 2, "{text}");
    // Those that were not followed are still named by `check`.
    assert_eq!(dangling(&followed, &facts).len(), 2);
    // What is named is inside, and its link leads to it.
    let (named, facts) = plan(&profile.replace("[\"/etc/app\"]", "[\"/etc/app\", \"/usr/share/app\"]"));
    assert_eq!(dangling(&named, &facts), Vec::<String>::new());
}

#[test]
fn ends_that_would_undo_the_jail_are_noted_and_left_out() {
    let ends = [
        ("root", "/", "it is the whole host"),
        ("etc", "/etc", "/etc is above /etc/app, which is inside by itself"),
        ("state", "/run/thinjail/x", "/run/thinjail/x has what jails are kept in"),
        ("run", "/run", "/run has what jails are kept in"),
        ("secret", "/srv/keys", "/srv/keys/key is there, which only root reads"),
        ("written", "/srv/data/sub", "the program may write there"),
        ("above", "/srv", "the program may write there"),
        ("pipe", "/opt/pipe", "/opt/pipe is a FIFO, which has to be named"),
        ("disk", "/opt/disk", "/opt/disk is a device, which has to be named"),
        ("socket", "/opt/socket", "/opt/socket is a socket, which has to be named"),
    ];
    let mut world = World::linux();
    world.program("/usr/bin/app", &[]).dir("/etc/app").dir("/run/thinjail/x").dir("/srv/data/sub");
    world.own("/srv/keys/key", Kind::File, 0, 0o600).own("/opt/pipe", Kind::Fifo, 0, 0o644);
    world.own("/opt/disk", Kind::BlockDevice, 0, 0o644).own("/opt/socket", Kind::Socket, 0, 0o666);
    for (name, to, _) in ends {
        world.link(&format!("/etc/app/{name}"), to);
    }
    let links = ends.iter().map(|(name, to, _)| {
        let at = format!("/etc/app/{name}");
        link_fact(&at, to, world.follow(&at))
    });
    let fact = LinksFact { links: links.collect(), ..LinksFact::default() };
    world.links.insert(HostPath::new("/etc/app").unwrap(), fact);
    let spec = world::spec(
        "command = [\"/usr/bin/app\"]\nuser = \"nobody\"\nread = [\"/etc/app\"]\nlinks = \"follow\"\n\
         secrets = [\"/srv/keys/key\"]\n[[mount]]\nsource = \"/srv/data\"\ntarget = \"/data\"\nwrite = true\n",
    );
    let mut facts = world.facts(&spec);
    for (_, to, _) in ends {
        facts.paths.insert(HostPath::new(to).unwrap(), world.follow(to));
    }
    let plan = resolve("app", &spec, &facts).unwrap();
    for (name, to, why) in ends {
        let note = format!("the link /etc/app/{name} -> {to} is not followed: {why}");
        assert!(plan.notes.contains(&note), "{note}: {:#?}", plan.notes);
    }
    assert!(!plan.to_string().contains("# links = \"follow\""), "{plan}");
}

#[test]
fn too_many_links_are_refused_with_the_directory_and_the_figure() {
    let mut world = World::linux();
    world.program("/usr/bin/app", &[]).dir("/etc/app/d");
    let limits = [
        (
            LinksLimit::Names as fn(usize, HostPath) -> LinksLimit,
            "below /etc/app are more than 7 names, of which /etc/app/d has the next",
        ),
        (LinksLimit::Links, "below /etc/app more than 7 links lead out of it, of which /etc/app/d has the next"),
    ];
    for (limit, said) in limits {
        let limit = Some(limit(7, HostPath::new("/etc/app/d").unwrap()));
        world.links.insert(HostPath::new("/etc/app").unwrap(), LinksFact { limit, ..LinksFact::default() });
        let profile = "command = [\"/usr/bin/app\"]\nuser = \"nobody\"\nread = [\"/etc/app\"]\nlinks = \"follow\"\n";
        let (what, help) = world.problem(profile);
        assert_eq!(what, format!("links = \"follow\": {said}"));
        assert_eq!(help, "name the directories below it that the program needs in read, or take `links` out");
    }
}
