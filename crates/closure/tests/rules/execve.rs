//! What execve(2) makes of a program, rule by rule.

use thinjail_closure::closure::{FindError, NotExecutable};
use thinjail_closure::tree::Kind;

use super::*;
use crate::elf_file::{GLIBC, library, program, static_program};

/// /bin/sh and /usr/bin/env, each with a library.
fn world(program: &str) -> World {
    let mut world = World::new(GLIBC, program_of("libmain.so"));
    world.request.program = program.into();
    world
        .file("/bin/sh", program_of("libc.so.6"))
        .file("/usr/bin/env", program_of("libc.so.6"))
        .file("/opt/bin/python3", program_of("libpy.so"))
        .libraries(&["/lib64/libmain.so", "/lib64/libc.so.6", "/lib64/libpy.so"])
}

fn program_of(library: &str) -> Elf {
    program(GLIBC).needs(library)
}

fn script(mut world: World, path: &str, line: &str) -> World {
    world.tree.file(path, format!("{line}\nexit\n").as_bytes());
    world
}

fn all(world: &World) -> Vec<String> {
    let closure = world.find();
    assert_eq!(closure.missing, []);
    closure.members.iter().map(|member| member.path.to_str().unwrap().to_owned()).collect()
}

fn refused(world: &World) -> NotExecutable {
    match find(&world.tree, world.system.clone(), &world.request) {
        Err(FindError::NotExecutable { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_static_program_is_all_it_needs() {
    let world = world("/static").file("/static", static_program());
    assert_eq!(all(&world), ["/static"]);
    assert_eq!(world.find().loader, None);
}

#[test]
fn a_name_is_looked_for_in_path() {
    let mut world = world("python3").env("PATH", "/none:/bin:/opt/bin");
    world.tree.file("/bin/python3", b"").set("/bin/python3", |meta| meta.mode = 0o644);
    assert_eq!(all(&world)[0], "/opt/bin/python3");
    world.request.program = "nothing".into();
    let Err(error) = find(&world.tree, world.system.clone(), &world.request) else { panic!("it is there") };
    assert_eq!(error.to_string(), "find nothing in /none:/bin:/opt/bin");
}

#[test]
fn a_path_is_relative_to_the_current_directory() {
    let mut world = world("bin/main");
    world.request.cwd = "/app".into();
    assert_eq!(all(&world)[0], "/app/bin/main");
}

#[test]
fn a_script_brings_its_interpreter_and_that_ones_closure() {
    let world = script(world("/run.sh"), "/run.sh", "#! /bin/sh -e");
    assert_eq!(all(&world), ["/run.sh", "/bin/sh", GLIBC, "/lib64/libc.so.6"]);
    let members = world.find().members;
    assert_eq!((members[0].role, members[1].role, members[1].how), (Role::Program, Role::Script, How::Path));
    assert_eq!(members[1].needed_by.as_deref(), Some(Path::new("/run.sh")));
}

#[test]
fn env_brings_what_it_runs_from_path() {
    let with_env = script(world("/run.py"), "/run.py", "#!/usr/bin/env python3").env("PATH", "/opt/bin");
    let expected = ["/run.py", "/usr/bin/env", GLIBC, "/lib64/libc.so.6", "/opt/bin/python3", "/lib64/libpy.so"];
    assert_eq!(all(&with_env), expected);
    assert_eq!(how(&with_env.find(), "/opt/bin/python3"), How::SearchPath);
    let own_path = script(world("/run.py"), "/run.py", "#!/usr/bin/env -S -i PATH=/opt/bin A=1 python3 -u");
    assert_eq!(all(&own_path), expected);
}

#[test]
fn env_without_a_path_looks_where_execvp_does() {
    let world = script(world("/run"), "/run", "#!/usr/bin/env -iS sh");
    assert_eq!(all(&world.env("PATH", "/none"))[4], "/bin/sh");
}

#[test]
fn what_env_does_not_find_is_missing() {
    let world = script(world("/run.rb"), "/run.rb", "#!/usr/bin/env ruby").env("PATH", "/opt/bin");
    let missing = &world.find().missing[0];
    assert_eq!((missing.name.as_str(), missing.role), ("ruby", Role::Script));
    assert_eq!(missing.searched, [Path::new("/opt/bin")]);
}

#[test]
fn a_missing_script_interpreter_is_missing() {
    let world = script(world("/run"), "/run", "#!/bin/none");
    let missing = &world.find().missing[0];
    assert_eq!((missing.name.as_str(), missing.needed_by.as_path()), ("/bin/none", Path::new("/run")));
}

#[test]
fn five_scripts_may_follow_on_each_other() {
    let mut world = script(world("/s4"), "/s0", "#!/bin/sh");
    for n in 1..6 {
        world = script(world, &format!("/s{n}"), &format!("#!/s{}", n - 1));
    }
    assert_eq!(all(&world).len(), 5 + 3);
    world.request.program = "/s5".into();
    assert!(world.find().missing[0].refused[0].why.contains("more than 5 scripts"));
}

#[test]
fn scripts_that_run_each_other_by_env_end() {
    let mut world = script(world("/opt/bin/a"), "/opt/bin/a", "#!/usr/bin/env b").env("PATH", "/opt/bin");
    world = script(world, "/opt/bin/b", "#!/usr/bin/env a");
    assert_eq!(world.find().missing, []);
}

#[test]
fn what_can_not_be_run_says_why() {
    let mut world = world("/it");
    world.tree.directory("/it");
    assert!(matches!(refused(&world), NotExecutable::Directory));
    world.tree.special("/it", Kind::Fifo);
    assert!(matches!(refused(&world), NotExecutable::NotRegular));
    world.tree.file("/it", b"hello");
    assert!(matches!(refused(&world), NotExecutable::Format));
    world.tree.file("/it", b"");
    assert!(matches!(refused(&world), NotExecutable::Format));
    world.tree.set("/it", |meta| meta.mode = 0o644);
    assert!(matches!(refused(&world), NotExecutable::NoPermission));
    let mut world = world.file("/it", library().kind(1));
    assert!(matches!(refused(&world), NotExecutable::NoProgram));
    world = world.file("/it", static_program().machine(Machine::AARCH64));
    assert!(matches!(refused(&world), NotExecutable::OtherMachine(Machine::AARCH64)));
    world.tree.file("/it", b"\x7fELF\x02\x01\x01");
    assert!(matches!(refused(&world), NotExecutable::Damaged(_)));
}

#[test]
fn a_tree_of_any_machine_may_be_asked() {
    let mut world = world("/it").file("/it", static_program().machine(Machine::AARCH64));
    world.system.accept = None;
    assert_eq!(all(&world), ["/it"]);
}

#[test]
fn a_program_that_is_not_there_is_not_found() {
    let world = world("/no/such");
    assert!(matches!(find(&world.tree, world.system.clone(), &world.request), Err(FindError::NotFound { .. })));
}
