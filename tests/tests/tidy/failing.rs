//! Each check fails on a tree that breaks its rule, and only there.

use crate::checks;
use crate::code::code;
use crate::sources::Sources;

fn faults(check: fn(&Sources) -> Vec<String>, path: &str, text: &str) -> usize {
    check(&Sources::of(&[(path, text)])).len()
}

#[test]
fn comments_and_strings_are_no_code() {
    let text = "a // b\n/* c /* d */ e */ f \"g\\\" // h\" r#\"i \" j\"# '\\'' 'k' 'l: loop {}\n";
    let kept: String = code(text).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(kept, "a f 'l: loop {}");
    assert_eq!(code(text).lines().count(), text.lines().count());
}

#[test]
fn a_pure_room_that_looks_is_found() {
    let plan = "crates/plan/src/resolve.rs";
    for text in [
        "use std::fs::File;",
        "use std::{collections::BTreeMap, fs};",
        "use std::{io, env::{self, vars}};",
        "fn f() { std::process::exit(1) }",
        "use std::time::{Duration, Instant};",
        "let now = SystemTime::now();",
        "use rustix::fs::open;",
        "use libc as c;",
        "#[cfg(test)]\nuse std::fs;\nfn f() {}",
    ] {
        assert_eq!(faults(checks::impure, plan, text), 1, "{text}");
    }
    for text in [
        "//! Not std::fs.",
        "use std::time::Duration;",
        "let word = \"std::fs\";",
        "let arch = std::env::consts::ARCH;",
        "let libc = find(\"libc.so.6\");",
        "use std::{io::{self, env}, fmt};",
        "use crate::fs;",
        "#[cfg(test)]\nmod tests {\n use std::fs;\n}",
    ] {
        assert_eq!(faults(checks::impure, plan, text), 0, "{text}");
    }
    assert_eq!(faults(checks::impure, "crates/closure/src/walk.rs", "use std::fs;"), 1);
    assert_eq!(faults(checks::impure, "crates/closure/src/tree/dir.rs", "use std::fs;"), 0);
    assert_eq!(faults(checks::impure, "crates/jail/src/apply.rs", "use std::fs;"), 0);
}

#[test]
fn unsafe_elsewhere_or_without_a_reason_is_found() {
    let sys = "crates/sys/src/mount.rs";
    assert_eq!(faults(checks::unsafe_code, "crates/jail/src/a.rs", "unsafe { f() }"), 1);
    assert_eq!(faults(checks::unsafe_code, "crates/jail/src/a.rs", "#![forbid(unsafe_code)]\n// unsafe\n"), 0);
    assert_eq!(faults(checks::unsafe_code, sys, "let a = unsafe { f() };"), 1);
    assert_eq!(faults(checks::unsafe_code, sys, "// SAFETY: f keeps it.\nlet a = unsafe { f() };"), 0);
    assert_eq!(faults(checks::unsafe_code, sys, "// SAFETY: far\n\n\n\nunsafe { f() };"), 1);
    assert_eq!(faults(checks::unsafe_code, sys, "// SAFETY: a\n// b\n// c\n// d\nunsafe { f() };"), 0);
    assert_eq!(faults(checks::unsafe_code, sys, "pub unsafe fn f() {}"), 0);
}

#[test]
fn target_os_inside_code_is_found() {
    let jail = "crates/jail/src/lib.rs";
    for text in [
        "#[cfg(target_os = \"linux\")]\nfn f() {}",
        "fn f() { if cfg!(target_os = \"linux\") {} }",
        "#[cfg(target_os = \"linux\")]\nlet a = 1;\nmod b;",
        "#[inline]\nmod a;\nfn f() { g(target_os) }",
    ] {
        assert_eq!(faults(checks::target_os, jail, text), 1, "{text}");
    }
    for text in [
        "#[cfg(target_os = \"linux\")]\nmod linux;",
        "#[cfg(any(target_os = \"linux\"))]\n#[path = \"a.rs\"]\n/// Doc.\npub(crate) mod a;",
        "#[cfg(not(\n    target_os = \"linux\"\n))]\npub use a::b;",
    ] {
        assert_eq!(faults(checks::target_os, jail, text), 0, "{text}");
    }
    assert_eq!(faults(checks::target_os, "crates/sys/src/lib.rs", "#[cfg(target_os = \"linux\")]\nfn f() {}"), 0);
}

#[test]
fn a_long_file_is_found() {
    assert_eq!(faults(checks::long, "crates/plan/src/a.rs", &"\n".repeat(601)), 1);
    assert_eq!(faults(checks::long, "crates/plan/src/a.rs", &"\n".repeat(600)), 0);
    assert_eq!(faults(checks::long, "crates/plan/src/a.snap", &"\n".repeat(601)), 0);
}

#[test]
fn a_name_that_says_nothing_is_found() {
    for path in ["crates/plan/src/util.rs", "tests/tests/common/mod.rs", "crates/sys/src/imp.rs"] {
        assert_eq!(faults(checks::names, path, ""), 1, "{path}");
    }
    assert_eq!(faults(checks::names, "crates/plan/src/important.rs", ""), 0);
}

#[test]
fn what_was_built_is_found() {
    assert_eq!(checks::built("Cargo.toml\nfuzz/target/debug/x\ntarget/y\ndocs/target.md\n").len(), 2);
}

#[test]
fn a_mark_for_later_is_found() {
    for mark in [concat!("// TO", "DO: later"), concat!("to", "do!()"), concat!("#[ig", "nore = \"slow\"]")] {
        assert_eq!(faults(checks::marks, "crates/plan/src/a.rs", mark), 1, "{mark}");
    }
    assert_eq!(faults(checks::marks, "crates/xtask/a.sh", "mktemp a.XXXXXX"), 0);
}

#[test]
fn a_path_of_a_machine_is_found() {
    assert_eq!(faults(checks::machine, "README.md", concat!("cd /wo", "rk/main")), 1);
    assert_eq!(faults(checks::machine, "a.sh", concat!("curl https://pypi", ".org/simple")), 1);
    assert_eq!(faults(checks::machine, "Cargo.lock", "https://github.com/rust-lang/crates.io-index"), 0);
}

#[test]
fn a_file_without_a_job_is_found() {
    assert_eq!(faults(checks::first_line, "crates/plan/src/lib.rs", "#![forbid(unsafe_code)]\n//! Late."), 1);
    assert_eq!(faults(checks::first_line, "crates/plan/src/lib.rs", "//! \n"), 1);
    assert_eq!(faults(checks::first_line, "crates/plan/src/lib.rs", "//! Decides.\n"), 0);
}

#[test]
fn a_key_without_an_entry_is_found() {
    let spec =
        "pub struct Spec {\n    /// A.\n    pub run_dir: Option<String>,\n}\npub struct Mount {\n    pub target: A,\n}";
    let sources = |page| Sources::of(&[("crates/plan/src/spec.rs", spec), ("man/thinjail.toml.5", page)]);
    assert_eq!(checks::keys(&sources(".It Ic run-dir\n.It Ic target\n")).len(), 0);
    assert_eq!(checks::keys(&sources(".It Ic run-dir\n")), ["man/thinjail.toml.5: no entry `.It Ic target`"]);
    assert_eq!(checks::keys(&Sources::of(&[])).len(), 1);
}

#[test]
fn a_crate_without_the_lints_is_found() {
    assert_eq!(faults(checks::lints, "crates/plan/Cargo.toml", "[package]\n"), 1);
    assert_eq!(faults(checks::lints, "crates/plan/Cargo.toml", "[lints]\nworkspace = true\n"), 0);
    assert_eq!(faults(checks::lints, "crates/sys/Cargo.toml", "[lints]\nworkspace = true\n"), 3);
}

#[test]
fn a_key_without_its_tests_is_found() {
    let spec = "pub struct Spec {\n    pub run_dir: x,\n}\npub struct Mount {\n}";
    let test = "#[test]\nfn works() {\n    run(\"run-dir\");\n}\nfn no_test() {\n    run_dir();\n}\n#[test]\nfn other() {\n    f();\n}\n";
    let faults = |list: &str| {
        let files = [("crates/plan/src/spec.rs", spec), ("tests/keys.txt", list), ("t.rs", test)];
        crate::keys::untested(&Sources::of(&files)).len()
    };
    assert_eq!(faults("# comment\nrun-dir t.rs::works t.rs::works\n"), 0);
    for list in [
        "",
        "run-dir t.rs::works\n",
        "run-dir t.rs::works t.rs::nowhere\n",
        "run-dir t.rs::works u.rs::works\n",
        "run-dir t.rs::works t.rs::no_test\n",
        "run-dir t.rs::works t.rs::other\n",
        "run-dir t.rs::works t.rs::works\nrun-dir t.rs::works t.rs::works\n",
    ] {
        assert_ne!(faults(list), 0, "{list}");
    }
    assert_eq!(faults("run-dir t.rs::works t.rs::works\nother t.rs::works t.rs::works\n"), 2);
}
