#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

const RULES: &str = r#"
    [licenses]
    allow = ["MIT", "Apache-2.0 WITH LLVM-exception"]
    [bans]
    multiple-versions = "deny"
    wildcards = "deny"
    allow-wildcard-paths = true
    deny = [{ crate = "openssl-sys", reason = "not static" }]
    skip = [{ crate = "twice", reason = "two halves of the world" }]
    [sources]
    unknown-registry = "deny"
    unknown-git = "deny"
"#;
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn package(name: &str, license: &str, source: &str) -> Package {
    Package {
        name: name.into(),
        version: "1.0.0".into(),
        license: (!license.is_empty()).then(|| license.into()),
        source: (!source.is_empty()).then(|| source.into()),
        dependencies: Vec::new(),
    }
}

fn found(packages: Vec<Package>) -> Vec<String> {
    faults(&toml::from_str(RULES).unwrap(), &Metadata { packages })
}

#[test]
fn a_licence_expression_is_met_by_one_side_of_or_and_both_of_and() {
    let allow = ["MIT".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned()];
    for good in
        ["MIT", "GPL-2.0 OR MIT", "Apache-2.0/MIT", "MIT AND (GPL-2.0 OR MIT)", "Apache-2.0 WITH LLVM-exception"]
    {
        assert!(allowed(good, &allow), "{good}");
    }
    for bad in ["GPL-2.0", "MIT AND GPL-2.0", "Apache-2.0", "(MIT", "MIT GPL-2.0", "GPL-2.0 OR", "", "(MIT AND X) OR Y"]
    {
        assert!(!allowed(bad, &allow), "{bad}");
    }
}

#[test]
fn a_licence_that_is_missing_or_not_listed_is_a_fault() {
    let faults =
        found(vec![package("a", "MIT", CRATES_IO), package("b", "GPL-3.0", CRATES_IO), package("c", "", CRATES_IO)]);
    assert_eq!(faults, ["b 1.0.0: licence GPL-3.0 is not allowed", "c 1.0.0: names no licence"]);
}

#[test]
fn a_banned_crate_is_a_fault_with_its_reason() {
    assert_eq!(found(vec![package("openssl-sys", "MIT", CRATES_IO)]), ["openssl-sys 1.0.0: banned: not static"]);
}

#[test]
fn another_registry_or_git_is_a_fault() {
    let faults = found(vec![package("a", "MIT", "registry+https://x"), package("b", "MIT", "git+https://x")]);
    assert_eq!(faults, ["a 1.0.0: comes from registry+https://x", "b 1.0.0: comes from git+https://x"]);
}

#[test]
fn two_versions_of_one_crate_are_a_fault_unless_skipped() {
    let twice = |name| vec![package(name, "MIT", CRATES_IO), package(name, "MIT", CRATES_IO)];
    assert_eq!(found(twice("thrice")), ["thrice: several versions: 1.0.0, 1.0.0"]);
    assert!(found(twice("twice")).is_empty());
}

#[test]
fn a_wildcard_is_a_fault_but_for_a_crate_of_ours() {
    let mut ours = package("ours", "MIT", "");
    ours.dependencies.push(Dependency { name: "any".into(), req: "*".into(), path: None });
    ours.dependencies.push(Dependency { name: "sister".into(), req: "*".into(), path: Some("../sister".into()) });
    assert_eq!(found(vec![ours]), ["ours 1.0.0: depends on any version of any"]);
}

#[test]
fn a_rule_that_is_not_enforced_is_refused() {
    assert!(toml::from_str::<Rules>(&format!("{RULES}\n[advisories]\n")).is_err());
}
