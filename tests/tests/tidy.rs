//! The rules of the tree that no compiler knows. Each check has a test that shows it failing.

#[path = "tidy/checks.rs"]
mod checks;
#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/failing.rs"]
mod failing;
#[path = "tidy/keys.rs"]
mod keys;
#[path = "tidy/sources.rs"]
mod sources;

use sources::Sources;

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn pure_rooms_name_no_file_clock_or_process() {
    assert_none(&checks::impure(&Sources::read()));
}

#[test]
fn unsafe_is_in_sys_only_and_argued() {
    assert_none(&checks::unsafe_code(&Sources::read()));
}

#[test]
fn target_os_stands_on_mod_and_use_lines_only() {
    assert_none(&checks::target_os(&Sources::read()));
}

#[test]
fn no_file_is_longer_than_600_lines() {
    assert_none(&checks::long(&Sources::read()));
}

#[test]
fn no_file_is_named_after_nothing() {
    assert_none(&checks::names(&Sources::read()));
}

#[test]
fn nothing_that_was_built_is_kept() {
    // Of a release's archive git knows nothing, and nothing is to be committed there.
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let kept = std::process::Command::new("git").args(["-C", root, "ls-files"]).output();
    let kept = kept.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    assert_none(&checks::built(&kept));
}

#[test]
fn nothing_is_left_for_later_or_ignored() {
    assert_none(&checks::marks(&Sources::read()));
}

#[test]
fn no_path_of_a_machine_and_no_registry_is_named() {
    assert_none(&checks::machine(&Sources::read()));
}

#[test]
fn every_file_says_its_job_first() {
    assert_none(&checks::first_line(&Sources::read()));
}

#[test]
fn every_key_of_a_profile_is_in_the_man_page() {
    assert_none(&checks::keys(&Sources::read()));
}

#[test]
fn every_key_of_a_profile_has_a_test_of_its_effect_and_of_its_error() {
    assert_none(&keys::untested(&Sources::read()));
}

#[test]
fn every_crate_has_the_lints_of_the_workspace() {
    assert_none(&checks::lints(&Sources::read()));
}
