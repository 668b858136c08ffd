//! Each key of a profile by itself: it shows in the plan, whoever reads one.
#![allow(clippy::unwrap_used, clippy::panic)]

mod world;

use std::path::Path;

use serde_json::Value;
use thinjail_plan::facts::Facts;
use thinjail_plan::resolve::resolve;
use thinjail_plan::spec::{Spec, toml};
use world::World;

fn everything(name: &str) -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/everything");
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
            without[key] = empty[key].clone();
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
