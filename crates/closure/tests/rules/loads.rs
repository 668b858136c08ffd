//! What a program loads when it runs.

use thinjail_closure::closure::Priority;

use super::*;
use crate::elf_file::{GLIBC, library, program, static_program};

/// A program with a library, which loads what is below /app/plugins.
fn world() -> World {
    let mut world = World::new(GLIBC, program(GLIBC).needs("liba.so").rpath("/r")).libraries(&["/r/liba.so"]);
    world.request = world.request.loads(["/app/plugins"]);
    world
}

fn wanting(world: &World) -> Vec<String> {
    let closure = world.find();
    assert_eq!(closure.missing, []);
    closure.wanting.into_iter().map(|wanting| wanting.name).collect()
}

#[test]
fn every_object_below_a_directory_brings_its_libraries() {
    let world = world()
        .file("/app/plugins/deep/er/one.so", library().needs("libone.so"))
        .file("/app/plugins/two.so.3.1", library().needs("liba.so").needs("libtwo.so"))
        .file("/app/plugins/addon.node", library().needs("libthree.so"))
        .libraries(&["/lib64/libone.so", "/r/libtwo.so", "/lib64/libthree.so"]);
    let found = world.found();
    let expected = [
        "/r/liba.so",
        "/app/plugins/addon.node",
        "/lib64/libthree.so",
        "/app/plugins/deep/er/one.so",
        "/lib64/libone.so",
        "/app/plugins/two.so.3.1",
        "/r/libtwo.so",
    ];
    assert_eq!(found, expected, "the rpath of the program counts for what it loads");
    assert_eq!(how(&world.find(), "/app/plugins/addon.node"), How::Plugin);
}

#[test]
fn other_files_below_a_directory_are_not_read() {
    let mut world = world().file("/app/plugins/static", static_program());
    world
        .tree
        .file("/app/plugins/text.so", b"/* GNU ld script */")
        .special("/app/plugins/fifo.so", thinjail_closure::tree::Kind::Fifo);
    world.tree.file("/app/plugins/module.py", &library().needs("libnone.so").build());
    world.tree.file("/app/plugins/noexec", &program(GLIBC).needs("libnone.so").build());
    world.tree.set("/app/plugins/noexec", |meta| meta.mode = 0o644);
    world.tree.file("/app/plugins/arm.so", &library().machine(Machine::AARCH64).needs("libnone.so").build());
    assert_eq!(world.found(), ["/r/liba.so"]);
    assert_eq!(wanting(&world), [""; 0]);
}

#[test]
fn a_program_below_a_directory_has_rules_of_its_own() {
    let world = world()
        .file("/app/plugins/helper", program(GLIBC).needs("libh.so").runpath("$ORIGIN/own"))
        .file("/app/plugins/tool3.11", program(GLIBC).needs("liba.so"))
        .libraries(&["/app/plugins/own/libh.so", "/lib64/liba.so"]);
    let found = world.found();
    let own = ["/app/plugins/helper", "/app/plugins/own/libh.so", "/app/plugins/tool3.11", "/lib64/liba.so"];
    assert_eq!(found[1..], own, "the program's own rpath is not theirs");
    assert!(world.find().needs_proc);
}

#[test]
fn plugins_do_not_see_each_other() {
    let world = world()
        .file("/app/plugins/one.so", library().needs("libx.so").runpath("/one"))
        .file("/app/plugins/two.so", library().needs("libx.so").runpath("/two"))
        .libraries(&["/one/libx.so", "/two/libx.so"]);
    let found = world.found();
    assert_eq!(found[1..], ["/app/plugins/one.so", "/one/libx.so", "/app/plugins/two.so", "/two/libx.so"]);
}

#[test]
fn what_the_program_has_loaded_is_not_looked_for_again() {
    let world = world().file("/app/plugins/one.so", library().needs("liba.so").runpath("/one"));
    assert_eq!(world.libraries(&["/one/liba.so"]).found(), ["/r/liba.so", "/app/plugins/one.so"]);
}

#[test]
fn what_a_plugin_lacks_does_not_stop_the_program() {
    let mut world = world().file("/app/plugins/one.so", library().needs("libnone.so"));
    world.request = world.request.loads(["/app/none"]);
    assert_eq!(wanting(&world), ["libnone.so", "/app/none"]);
    let wanting = &world.find().wanting[0];
    assert_eq!(wanting.needed_by, Path::new("/app/plugins/one.so"));
}

#[test]
fn one_file_may_be_loaded_too_and_links_lead_to_files_but_not_to_directories() {
    let mut world = world()
        .file("/opt/real/one.so", library().needs("libo.so").runpath("$ORIGIN"))
        .file("/opt/dir/two.so", library().needs("libnone.so"))
        .libraries(&["/app/plugins/libo.so", "/opt/real/libo.so"]);
    world.tree.link("/app/plugins/one.so", "/opt/real/one.so").link("/app/plugins/dir", "/opt/dir");
    assert_eq!(world.found()[1..], ["/app/plugins/libo.so", "/app/plugins/one.so"]);
    world.request.loads = vec!["/opt/real/one.so".into()];
    assert_eq!(world.found()[1..], ["/opt/real/one.so", "/opt/real/libo.so"]);
}

#[test]
fn a_static_program_leaves_each_object_to_its_usual_interpreter() {
    let mut world = World::new(GLIBC, static_program())
        .file("/app/plugins/one.so", library().needs("libone.so"))
        .libraries(&["/lib64/libone.so"]);
    world.request = world.request.loads(["/app/plugins"]);
    assert_eq!(world.found(), ["/app/plugins/one.so", "/lib64/libone.so"]);
}

#[test]
fn a_script_leaves_it_to_the_last_program_of_its_chain() {
    let mut world =
        world().file("/usr/bin/env", program(GLIBC)).file("/app/plugins/one.so", library().needs("libx.so"));
    world.tree.file("/script", b"#!/usr/bin/env main\n");
    world.request.program = "/script".into();
    let world = world.env("PATH", "/app/bin").libraries(&["/r/libx.so"]);
    assert_eq!(world.found()[1..], ["/app/plugins/one.so", "/r/libx.so"]);
}

const NOTE: &str = r#"[{"soname":["libnew.so.2","libold.so.1"],"priority":"recommended"},
    {"soname":["libfew.so"],"priority":"suggested"},{"soname":["libcore.so"],"priority":"required"}]"#;

#[test]
fn a_note_names_what_is_loaded_and_the_first_name_that_is_there_counts() {
    let mut world = World::new(GLIBC, program(GLIBC).needs("liba.so"))
        .file("/lib64/liba.so", library().note(NOTE).runpath("/own"))
        .file("/own/libold.so.1", library().needs("libdeep.so"))
        .file("/lib64/libcore.so", library().note(r#"[{"soname":["libcore2.so"]}]"#))
        .libraries(&["/lib64/libfew.so", "/lib64/libdeep.so", "/lib64/libcore2.so"]);
    let expected =
        ["/lib64/liba.so", "/own/libold.so.1", "/lib64/libdeep.so", "/lib64/libcore.so", "/lib64/libcore2.so"];
    assert_eq!(world.found(), expected);
    assert_eq!(how(&world.find(), "/own/libold.so.1"), How::Dlopen);

    world.request.dlopen = Priority::Suggested;
    assert!(world.found().contains(&"/lib64/libfew.so".to_owned()));
    world.request.dlopen = Priority::Required;
    assert_eq!(world.found(), ["/lib64/liba.so", "/lib64/libcore.so"]);
    world.request.implied = false;
    assert_eq!(world.found(), ["/lib64/liba.so"]);
}

#[test]
fn what_a_note_requires_is_missing_and_what_it_recommends_is_wanting() {
    let world = World::new(GLIBC, program(GLIBC).note(NOTE));
    let closure = world.find();
    assert_eq!((closure.missing.len(), closure.missing[0].name.as_str()), (1, "libcore.so"));
    assert_eq!((closure.wanting.len(), closure.wanting[0].name.as_str()), (1, "libnew.so.2 or libold.so.1"));
}
