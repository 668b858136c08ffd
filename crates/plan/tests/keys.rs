//! Each key of a profile by itself: it shows in the plan, whoever reads one.
#![allow(clippy::unwrap_used, clippy::panic)]

mod world;

use std::path::Path;

use serde_json::Value;
use thinjail_plan::facts::{Cgroup, Facts};
use thinjail_plan::path::HostPath;
use thinjail_plan::resolve::resolve;
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
