//! What is wrong with a profile, or with where it is.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::{fs, process::Command};

use thinjail_tests::{need, skip};

use crate::run_thinjail::{Said, thinjail, thinjail_with};
use crate::scratch::Scratch;

fn run(profile: &str) -> Said {
    thinjail(&["run", "--profile", profile])
}

fn run_lines(lines: &str) -> Said {
    let scratch = Scratch::new();
    run(&scratch.profile("x", lines))
}

fn run_text(text: &str) -> Said {
    let scratch = Scratch::new();
    run(&scratch.file("x.toml", text))
}

#[test]
fn an_unknown_key_is_shown_with_its_place_and_a_hint() {
    run_lines("raed = [\"/etc\"]").fails(125, "x.toml:3:1: unknown key `raed`", "did you mean `read`?");
}

#[test]
fn a_wrong_type_is_shown_with_its_place() {
    run_lines("umask = 22").fails(125, "x.toml:3:9: `umask` takes a string", "write umask = \"22\"");
}

#[test]
fn text_that_is_no_toml_is_shown_with_its_place() {
    run_lines("read = [").fails(125, "x.toml:3:", "a profile is TOML");
}

#[test]
fn an_empty_command_is_refused() {
    run_text("command = \"\"\nuser = \"nobody\"\n").fails(125, "command is empty", "write command");
    run_text("command = []\nuser = \"nobody\"\n").fails(125, "command is empty", "write command");
    run_text("user = \"nobody\"\n").fails(125, "command is empty", "write command");
}

#[test]
fn a_profile_must_name_its_user() {
    need!(skip::root());
    run_text("command = \"/bin/sh\"\n").fails(125, "user", "user");
}

#[test]
fn a_user_that_is_not_there_is_refused() {
    run_text("command = \"/bin/sh\"\nuser = \"nosuchuser\"\n").fails(125, "there is no user \"nosuchuser\"", "user");
    run_lines("users = [\"nosuchuser\"]").fails(125, "there is no user \"nosuchuser\"", "user");
    run_lines("group = \"nosuchgroup\"").fails(125, "there is no group \"nosuchgroup\"", "group");
}

#[test]
fn a_source_that_is_not_there_is_refused() {
    run_lines("read = [\"/nonexistent/x\"]").fails(125, "/nonexistent does not exist", "make it");
    run_lines("[[mount]]\nsource = \"/nonexistent/x\"").fails(125, "/nonexistent does not exist", "make it");
}

#[test]
fn a_target_with_dots_is_refused() {
    run_lines("[[mount]]\nsource = \"/usr\"\ntarget = \"/srv/../etc\"").fails(125, "`..`", "without `..`");
    run_lines("read = [\"/usr/../etc\"]").fails(125, "`..`", "without `..`");
}

#[test]
fn a_target_through_a_symlink_is_refused() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path().join("data")).unwrap();
    symlink("/usr", scratch.path().join("data/link")).unwrap();
    let lines = format!(
        "read = [\"{0}/data\"]\n[[mount]]\nsource = \"/usr/share\"\ntarget = \"{0}/data/link/share\"",
        scratch.str()
    );
    run(&scratch.profile("x", &lines)).fails(125, "data/link/share is a link to /usr/share", "the target");
}

#[test]
fn two_mounts_on_one_target_are_refused() {
    run_lines("[[mount]]\nsource = \"/usr\"\ntarget = \"/data\"\n[[mount]]\nsource = \"/var\"\ntarget = \"/data/\"")
        .fails(125, "two things are wanted at /data", "another target");
}

#[test]
fn a_nul_byte_is_refused() {
    run_lines("read = [\"/etc\\u0000x\"]").fails(125, "NUL byte", "");
}

#[test]
fn a_profile_over_256_kib_is_refused() {
    let scratch = Scratch::new();
    let padding = "#".repeat(256 * 1024);
    run(&scratch.profile("x", &padding)).fails(125, "more than 256 KiB", "short text");
}

#[test]
fn a_profile_that_is_not_utf8_is_refused_with_its_line() {
    let scratch = Scratch::new();
    run(&scratch.file("x.toml", b"command = \"x\"\nuser = \"\xff\"\n")).fails(125, "line 2 is not UTF-8", "UTF-8");
}

#[test]
fn a_profile_that_others_may_write_is_refused() {
    let scratch = Scratch::new();
    for mode in [0o664, 0o646] {
        let path = scratch.file_with_mode("x.toml", "command = \"/bin/sh\"", mode);
        run(&path).fails(125, "users other than its owner may write it", &format!("chmod go-w {path}"));
    }
}

#[test]
fn a_profile_in_a_directory_that_others_may_write_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.profile("x", "");
    for mode in [0o775, 0o757] {
        scratch.mode(mode);
        run(&path).fails(125, "users other than its owner may write it", &format!("chmod go-w {}", scratch.str()));
    }
    let inner = scratch.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("y.toml"), "command = \"/bin/sh\"").unwrap();
    run(inner.join("y.toml").to_str().unwrap()).fails(125, "users other than its owner may write it", "chmod go-w");
}

#[test]
fn a_profile_of_another_user_is_refused() {
    need!(skip::root());
    let scratch = Scratch::new();
    let path = scratch.profile("x", "");
    std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
    run(&path).fails(125, "it belongs to uid 65534", "chown root");
}

#[test]
fn a_link_is_judged_where_it_leads() {
    let (open, scratch) = (Scratch::new(), Scratch::new());
    open.profile("y", "");
    open.mode(0o777);
    let link = scratch.path().join("x.toml");
    symlink(open.path().join("y.toml"), &link).unwrap();
    run(link.to_str().unwrap()).fails(125, "users other than its owner may write it", "chmod go-w");
    open.mode(0o755);
    assert_eq!(thinjail(&["facts", "--profile", link.to_str().unwrap()]).code, 0);
}

#[test]
fn what_is_no_regular_file_is_refused_without_blocking() {
    let scratch = Scratch::new();
    let fifo = scratch.path().join("x.toml");
    assert!(Command::new("mkfifo").args(["-m", "644"]).arg(&fifo).status().unwrap().success());
    let said = run(fifo.to_str().unwrap());
    assert_eq!(said.code, 125, "{said:?}");
    assert!(said.err.contains("it is not a regular file"), "{said:?}");
    let said = run("/dev");
    assert_eq!(said.code, 125, "{said:?}");
}

#[test]
fn the_first_directory_that_has_a_profile_wins() {
    let (admin, shipped) = (Scratch::new(), Scratch::new());
    shipped.profile("both", "umask = \"111\"");
    admin.profile("both", "umask = \"222\"");
    shipped.profile("one", "umask = \"111\"");
    let umask = |name: &str| {
        let words = ["plan", name, "--json", "--profile-dir", admin.str(), "--profile-dir", shipped.str()];
        let plan: serde_json::Value = serde_json::from_str(thinjail(&words).works()).unwrap();
        plan["exec"]["umask"].as_u64().unwrap()
    };
    assert_eq!(umask("both"), 0o222);
    assert_eq!(umask("one"), 0o111);
}

#[test]
fn a_link_to_nothing_does_not_uncover_the_shipped_profile() {
    let (admin, shipped) = (Scratch::new(), Scratch::new());
    shipped.profile("x", "");
    symlink("/nonexistent/x", admin.path().join("x.toml")).unwrap();
    let said = thinjail(&["check", "x", "--profile-dir", admin.str(), "--profile-dir", shipped.str()]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("look up /nonexistent"), "{said:?}");
}

#[test]
fn the_environment_names_directories_and_the_flag_wins() {
    let (one, other) = (Scratch::new(), Scratch::new());
    one.profile("x", "");
    let set = |command: &mut Command| {
        command.env("THINJAIL_PROFILE_PATH", format!(":{}", one.str()));
    };
    assert_eq!(thinjail_with(&["facts", "x"], set).code, 0);
    thinjail_with(&["facts", "x", "--profile-dir", other.str()], set).fails(1, "there is no profile \"x\"", "--");
}

#[test]
fn a_relative_directory_is_fine_where_it_is_typed_but_not_where_it_is_inherited() {
    let scratch = Scratch::new();
    scratch.profile("x", "");
    let there = |command: &mut Command| {
        command.current_dir(scratch.path()).env("THINJAIL_PROFILE_PATH", ".");
    };
    assert_eq!(thinjail_with(&["facts", "x", "--profile-dir", "."], there).code, 0);
    assert_eq!(thinjail_with(&["facts", "--profile", "x.toml"], there).code, 0);
    thinjail_with(&["facts", "x"], there).fails(1, "the path is relative", "from the root");
}

#[test]
fn flags_go_over_the_profile_and_its_table() {
    let scratch = Scratch::new();
    let lines = "umask = \"001\"\nread = [\"/usr/share\"]\n[linux]\numask = \"002\"\n[freebsd]\numask = \"002\"";
    let profile = scratch.profile("x", lines);
    fs::set_permissions(&profile, fs::Permissions::from_mode(0o600)).unwrap();
    let words = ["plan", "--json", "--profile", &profile, "--umask", "003", "--read", "/usr/lib"];
    let plan: serde_json::Value = serde_json::from_str(thinjail(&words).works()).unwrap();
    assert_eq!(plan["exec"]["umask"], 3);
    let places = plan.to_string();
    assert!(places.contains("\"/usr/share\"") && places.contains("\"/usr/lib\""), "{places}");
}
