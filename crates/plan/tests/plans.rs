//! Profile + facts -> plan, as text: what people read is what is compared. The facts are files, so that both systems'
//! plans come out on any system.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use thinjail_plan::facts::Facts;
use thinjail_plan::plan::Plan;
use thinjail_plan::resolve::resolve;
use thinjail_plan::spec::{Spec, toml};
use thinjail_plan::wants::wants;

const SCENARIOS: [&str; 5] = ["echo", "everything", "memcached", "nginx", "redis"];
const SYSTEMS: [&str; 2] = ["linux", "freebsd"];

fn folder(scenario: &str) -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/scenarios").join(scenario)
}

/// The scenario's own profile, or the one that is shipped under that name.
fn profile(scenario: &str) -> Spec {
    let own = folder(scenario).join("profile.toml");
    let shipped = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap())
        .join("../../profiles")
        .join(format!("{scenario}.toml"));
    let path = if own.exists() { own } else { shipped };
    toml::parse(&std::fs::read_to_string(&path).unwrap(), scenario).unwrap()
}

fn facts(scenario: &str, system: &str) -> Facts {
    let text = std::fs::read_to_string(folder(scenario).join(format!("facts.{system}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn plan(scenario: &str, system: &str) -> Plan {
    match resolve(scenario, &profile(scenario), &facts(scenario, system)) {
        Ok(plan) => plan,
        Err(problems) => panic!("{scenario} on {system}: {problems:#?}"),
    }
}

fn each(mut check: impl FnMut(&str, &str)) {
    for scenario in SCENARIOS {
        for system in SYSTEMS {
            check(scenario, system);
        }
    }
}

#[test]
fn the_text_of_a_plan_is_what_it_was() {
    each(|scenario, system| {
        insta::with_settings!({ snapshot_path => folder(scenario), prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("plan.{system}"), plan(scenario, system).to_string());
        });
    });
}

#[test]
fn a_plan_is_the_same_twice_and_survives_json() {
    each(|scenario, system| {
        let (one, two) = (plan(scenario, system), plan(scenario, system));
        assert_eq!(one.to_string(), two.to_string());
        let (json, again) = (serde_json::to_string(&one).unwrap(), serde_json::to_string(&two).unwrap());
        assert_eq!(json, again);
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), one);
    });
}

#[test]
fn the_facts_hold_what_is_wanted() {
    each(|scenario, system| {
        let facts = facts(scenario, system);
        let wants = wants(&profile(scenario), facts.system.kind());
        for path in &wants.paths {
            assert!(facts.paths.contains_key(path), "{scenario} on {system}: {path}");
        }
    });
}

#[test]
fn the_profile_of_everything_has_every_key() {
    let spec = serde_json::to_value(profile("everything")).unwrap();
    for system in SYSTEMS {
        let mut table = spec[system].clone();
        for (key, value) in spec.as_object().unwrap().iter().filter(|(key, _)| *key != "use") {
            let value = if value.is_null() || value == &serde_json::json!([]) || value == &serde_json::json!({}) {
                table[key].take()
            } else {
                value.clone()
            };
            let written = !(value.is_null() || value == serde_json::json!([]) || value == serde_json::json!({}));
            // Who has one of the two has no use for the other.
            let other = if system == "linux" { "reload-command" } else { "reload-signal" };
            let only_there = [("params", "freebsd"), ("reload-on-change", "linux")];
            let elsewhere = only_there.iter().any(|(only, there)| key == only && system != *there) || key == other;
            assert!(written || elsewhere || SYSTEMS.contains(&key.as_str()), "{key} on {system}");
        }
    }
}
