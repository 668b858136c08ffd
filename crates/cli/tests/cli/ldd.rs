//! `ldd`: what it prints, and that it executes nothing.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::Value;
use thinjail_tests::{need, skip};

use crate::run_thinjail::{thinjail, thinjail_with};
use crate::scratch::Scratch;

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// A tree with a program of this system and its interpreter, but without its libraries.
fn without_libraries() -> Scratch {
    let root = Scratch::new();
    for directory in ["bin", "lib64", "etc"] {
        fs::create_dir(root.path().join(directory)).unwrap();
    }
    fs::copy("/bin/ls", root.path().join("bin/ls")).unwrap();
    fs::copy(LOADER, root.path().join(&LOADER[1..])).unwrap();
    root
}

#[test]
fn it_lists_what_the_loader_lists_after_the_program_itself() {
    need!(skip::path(LOADER));
    let output = Command::new(LOADER).args(["--list", "/bin/ls"]).env_clear().output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let paths = text.split_whitespace().filter(|word| word.starts_with('/'));
    let theirs: BTreeSet<&str> = paths.chain(["/bin/ls"]).collect();
    let said = thinjail(&["ldd", "/bin/ls"]);
    let lines: Vec<&str> = said.works().lines().collect();
    assert_eq!(lines[0], "/bin/ls");
    assert!(lines.len() > 3, "{lines:?}");
    assert_eq!(lines.iter().copied().collect::<BTreeSet<_>>(), theirs);
}

#[test]
fn several_programs_are_one_list_in_which_nothing_stands_twice() {
    let said = thinjail(&["ldd", "/bin/ls", "/bin/sh", "/bin/ls"]);
    let lines: Vec<&str> = said.works().lines().collect();
    assert!(lines.contains(&"/bin/ls") && lines.contains(&"/bin/sh"), "{lines:?}");
    assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), lines.len(), "{lines:?}");
}

#[test]
fn a_name_without_a_slash_is_looked_for_in_path() {
    assert!(thinjail(&["ldd", "sh"]).works().lines().next().unwrap().ends_with("bin/sh"));
    let scratch = Scratch::new();
    scratch.file("x.so", "");
    let there = |words: &[&str]| thinjail_with(words, |command| _ = command.current_dir(scratch.path()));
    there(&["ldd", "x.so"]).fails(1, "list what x.so needs: there is no such program in /", "write ./x.so");
    there(&["ldd", "./x.so"]).fails(1, "it is neither an ELF file nor a script", "");
    there(&["ldd", "./y.so"]).fails(1, "y.so does not exist", "");
}

#[test]
fn the_tree_tells_how_each_file_was_found() {
    need!(skip::path(LOADER));
    let said = thinjail(&["ldd", "--tree", "/bin/ls"]);
    let lines: Vec<&str> = said.works().lines().collect();
    assert_eq!(lines[0], "/bin/ls");
    assert!(lines.contains(&format!("  {LOADER} (interpreter)").as_str()), "{lines:?}");
    let libc = lines.iter().find(|line| line.trim_start().starts_with("libc.so.6 => /")).unwrap();
    assert!(libc.ends_with("(ld.so.cache)"), "{libc}");
    assert_eq!(lines.len(), thinjail(&["ldd", "/bin/ls"]).works().lines().count());
}

#[test]
fn why_names_the_chain_and_all_others_that_ask() {
    need!(skip::path(LOADER));
    for name in ["libc.so.6", "libc"] {
        let said = thinjail(&["ldd", "--why", name, "/bin/ls"]);
        let lines: Vec<&str> = said.works().lines().collect();
        assert_eq!(lines[0], "/bin/ls");
        assert!(lines[1].starts_with("needs libc.so.6: /") && lines[1].ends_with("found by ld.so.cache"), "{lines:?}");
        assert_eq!(lines[2], "also needed by");
        assert!(lines.iter().any(|line| line.contains("/libselinux.so.1")), "{lines:?}");
    }
    thinjail(&["ldd", "--why", "libnone", "/bin/ls"]).fails(1, "/bin/ls does not load libnone", "");
}

#[test]
fn json_has_an_object_for_each_program_also_for_one_that_is_not_there() {
    let said = thinjail(&["ldd", "--json", "/bin/sh", "/nonexistent/x"]);
    assert_eq!(said.code, 1, "{said:?}");
    let all: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!((&all[0]["program"], &all[0]["files"][0]["role"]), (&"/bin/sh".into(), &"program".into()));
    for file in all[0]["files"].as_array().unwrap() {
        for key in ["path", "real", "role", "name", "how"] {
            assert!(file[key].is_string(), "{key}: {file}");
        }
    }
    assert_eq!(all[1]["error"], "list what /nonexistent/x needs: /nonexistent does not exist");
    assert_eq!(all[1]["files"], Value::Array(Vec::new()));
}

#[test]
fn json_stays_whole_where_a_path_is_no_text() {
    need!(skip::path(LOADER));
    let root = without_libraries();
    let name = OsStr::from_bytes(b"l\xff");
    fs::rename(root.path().join("bin/ls"), root.path().join("bin").join(name)).unwrap();
    symlink(name, root.path().join("bin/ls")).unwrap();
    let said = thinjail(&["ldd", "--root", root.str(), "--json", "/bin/ls", "/bin/none"]);
    assert_eq!(said.code, 1, "{said:?}");
    let all: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(all[0]["error"], "write JSON: path contains invalid UTF-8 characters");
    assert_eq!(all[1]["program"], "/bin/none");
}

#[test]
fn the_environment_leads_no_program_with_more_rights_to_a_library() {
    need!(skip::path(LOADER));
    need!(skip::root());
    let root = without_libraries();
    let (program, libc) = (root.path().join("bin/ls"), root.path().join("lib64/libc.so.6"));
    let listed = thinjail(&["ldd", "/bin/ls"]);
    let real = listed.works().lines().find(|line| line.ends_with("/libc.so.6")).unwrap();
    fs::copy(real, &libc).unwrap();
    let taken = || {
        let said = thinjail_with(&["ldd", program.to_str().unwrap()], |command| {
            command.env("LD_LIBRARY_PATH", libc.parent().unwrap());
        });
        said.works().lines().any(|line| Path::new(line) == libc)
    };
    assert!(taken());
    chown(&program, Some(65534), None).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    assert!(!taken());
}

#[test]
fn what_is_missing_is_named_with_who_needs_it_and_fails() {
    need!(skip::path(LOADER));
    let root = without_libraries();
    let said = thinjail(&["ldd", "--root", root.str(), "/bin/ls"]);
    assert_eq!((said.code, said.out.as_str()), (1, &*format!("/bin/ls\n{LOADER}\n")), "{said:?}");
    assert!(said.err.contains("thinjail: library libc.so.6 is missing, needed by /bin/ls"), "{said:?}");
    let tree = thinjail(&["ldd", "--root", root.str(), "--tree", "ls"]);
    assert!(tree.out.contains("  libc.so.6 => not found\n"), "{tree:?}");
    let json = thinjail(&["ldd", "--root", root.str(), "--json", "/bin/ls"]);
    let all: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(all[0]["missing"][0]["needed_by"], "/bin/ls");
}

#[test]
fn no_link_leads_out_of_another_root() {
    need!(skip::path(LOADER));
    let root = without_libraries();
    for name in ["usr", "lib"] {
        // From the tree's own root that is a link to itself.
        symlink(format!("/{name}"), root.path().join(name)).unwrap();
    }
    symlink("../../../../../../bin/ls", root.path().join("bin/up")).unwrap();
    let said = thinjail(&["ldd", "--root", root.str(), "/bin/up"]);
    assert_eq!((said.code, said.out.as_str()), (1, &*format!("/bin/up\n{LOADER}\n")), "{said:?}");
}

#[test]
fn nothing_is_executed_not_even_the_interpreter_that_a_program_names() {
    let gcc = need!(skip::program("gcc"));
    let scratch = Scratch::new();
    let mark = scratch.path().join("executed");
    let script = format!("#!/bin/sh\ntouch {}\n", mark.display());
    let interpreter = scratch.file_with_mode("interpreter", script, 0o755);
    let source = scratch.file("main.c", "int main(void) { return 0; }\n");
    let program = scratch.path().join("program");
    let linked = Command::new(gcc)
        .arg(format!("-Wl,--dynamic-linker={interpreter}"))
        .args(["-o".as_ref(), program.as_os_str(), source.as_ref()])
        .status();
    assert!(linked.unwrap().success());
    let said = thinjail(&["ldd".as_ref(), program.as_os_str()]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains(&format!("interpreter {interpreter} is missing")), "{said:?}");
    assert!(!mark.exists());
}

#[test]
fn a_program_needs_no_permission_to_be_executed_and_a_script_brings_its_interpreter() {
    let scratch = Scratch::new();
    let program = scratch.file("sh", fs::read("/bin/sh").unwrap());
    let listed = thinjail(&["ldd", &program]).works().to_owned();
    assert_eq!(listed.lines().next(), Some(&*program));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let script = scratch.file("script", format!("#!{program}\n"));
    assert_eq!(thinjail(&["ldd", &script]).works(), format!("{script}\n{listed}"));
}

#[test]
fn a_path_with_a_line_break_stays_on_its_line() {
    let scratch = Scratch::new();
    let program: PathBuf = scratch.path().join("a\n\u{1b}[31mb");
    fs::copy("/bin/sh", &program).unwrap();
    let said = thinjail(&["ldd".as_ref(), program.as_os_str()]);
    let first = said.works().lines().next().unwrap();
    assert_eq!(first, format!("{}/a\\n\\u{{1b}}[31mb", scratch.str()));
    assert!(Path::new(first).is_absolute());
}

#[test]
fn its_help_begins_with_what_is_better_than_ldd() {
    let said = thinjail(&["ldd", "--help"]);
    let first = said.works().lines().next().unwrap();
    assert!(first.starts_with("Better than ldd(1): nothing is executed"), "{first}");
    thinjail(&["ldd"]).fails(2, "<PROGRAM>...", "--help");
    thinjail(&["ldd", "--tree", "--json", "sh"]).fails(2, "cannot be used with", "--help");
}
