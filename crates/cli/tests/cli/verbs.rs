//! What the verbs print.

use serde_json::Value;

use thinjail_tests::{need, skip};

use crate::run_thinjail::{binary, said, thinjail};
use crate::scratch::Scratch;

#[test]
fn a_plan_printed_twice_is_byte_equal_and_comes_from_its_facts() {
    let scratch = Scratch::new();
    let words = ["--read", "/usr/share", "--", "sh", "-c", "true"];
    let facts = thinjail(&[&["facts"][..], &words].concat());
    let file = scratch.file("facts.json", facts.works());
    let plan = |more: &[&str]| thinjail(&[&["plan", "--json"], more, &words[..]].concat()).works().to_owned();
    assert_eq!(plan(&[]), plan(&[]));
    assert_eq!(plan(&[]), plan(&["--facts", &file]));
}

#[test]
fn a_program_typed_in_passing_runs_as_nobody_and_without_root_as_who_typed_it() {
    let facts: Value = serde_json::from_str(thinjail(&["facts", "--", "sh"]).works()).unwrap();
    let plan: Value = serde_json::from_str(thinjail(&["plan", "--json", "--", "sh"]).works()).unwrap();
    let user = if skip::root().is_ok() { &facts["users"]["nobody"]["uid"] } else { &facts["caller"] };
    assert!(user.is_u64(), "{facts}");
    assert_eq!(plan["exec"]["ids"]["uid"], *user);
}

#[test]
fn check_says_ok_where_nothing_would_fail() {
    need!(skip::root());
    assert_eq!(thinjail(&["check", "--", "sh"]).works(), "sh: ok\n");
}

#[test]
fn who_is_not_root_may_look_and_is_told_by_check_and_run_what_needs_root() {
    need!(skip::root());
    let scratch = Scratch::new();
    let ask = |words: &[&str]| said(scratch.thinjail_of_another_user().args(words));
    assert!(ask(&["explain", "--", "sh", "/etc/passwd"]).works().starts_with("file /etc/passwd"));
    let root = "--user=root";
    for look in [&["plan", root, "--", "sh"][..], &["run", "--dry-run", root, "--", "sh"]] {
        assert!(ask(look).works().contains("only root can run it"), "{look:?}");
    }
    let freebsd = cfg!(target_os = "freebsd");
    let refused = if freebsd { "only root can make a jail on FreeBSD" } else { "user = \"root\": without root" };
    ask(&["run", root, "--", "sh"]).fails(125, refused, "run it as root");
    let check = ask(&["check", root, "--", "sh"]);
    assert!((check.code, check.out.starts_with(refused)) == (1, true), "{check:?}");
    if freebsd {
        return;
    }
    assert!(ask(&["plan", "--", "sh"]).works().contains("ipc mount pid user uts"));
}

#[test]
fn the_life_of_jails_is_root_s() {
    need!(skip::root());
    let scratch = Scratch::new();
    let ask = |words: &[&str]| said(scratch.thinjail_of_another_user().args(words));
    for (words, code) in [(&["stop", "x"][..], 1), (&["status", "x"], 4), (&["list"], 1), (&["clean"], 1)] {
        ask(words).fails(code, "look into", "run it as root");
    }
}

#[test]
fn check_notes_what_the_user_may_not_use() {
    need!(skip::root());
    let scratch = Scratch::new();
    let said = thinjail(&["check", "--write", scratch.str(), "--", "sh"]);
    let lines: Vec<_> = said.works().lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "sh: ok"), "{lines:?}");
    assert!(lines[1].starts_with("  note: write = ") && lines[1].contains("may not make files in"), "{lines:?}");
}

#[test]
fn facts_that_are_no_facts_are_refused() {
    let scratch = Scratch::new();
    let file = scratch.file("facts.json", "{}");
    thinjail(&["plan", "--facts", &file, "--", "sh"]).fails(1, "read facts from", "thinjail facts NAME");
}

#[test]
fn what_nobody_reads_is_no_failure() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(binary())
        .args(["facts", "--", "sh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]));
}

#[test]
fn every_verb_of_the_help_is_in_the_synopsis_and_explained() {
    let help = thinjail(&["--help"]);
    let usage = help.works().split_once("VERB [FLAGS] ...\n").unwrap().1;
    let lines = usage.lines().filter_map(|line| line.strip_prefix("  ")).take_while(|line| !line.starts_with('\u{60}'));
    let verbs: Vec<&str> = lines
        .filter_map(|line| line.split_once("  "))
        .flat_map(|(verbs, _)| verbs.split(' '))
        .filter(|verb| verb.bytes().all(|b| b.is_ascii_lowercase()) && !verb.is_empty())
        .collect();
    assert!(verbs.len() > 20 && verbs.contains(&"schema"), "{verbs:?}");
    let page = include_str!("../../../../man/thinjail.8");
    let (synopsis, rest) = page.split_once(".Sh DESCRIPTION").unwrap();
    for verb in verbs {
        assert!(synopsis.contains(&format!(".Cm {verb}\n")), "{verb}");
        assert!(rest.contains(&format!(".It Cm {verb}")) || rest.contains(&format!(", {verb}")), "{verb}");
    }
}
