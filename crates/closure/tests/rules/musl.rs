//! musl's dynamic linker, rule by rule.

use thinjail_closure::closure::Loader;

use super::*;
use crate::elf_file::{library, program};

const MUSL: &str = "/lib/ld-musl-x86_64.so.1";

fn world(program: Elf) -> World {
    World::new(MUSL, program)
}

fn main() -> Elf {
    program(MUSL)
}

#[test]
fn libc_is_the_interpreter() {
    let world = world(main().needs("libc.so").needs("libpthread.so.0").needs("libm.so.6"));
    assert_eq!(world.found(), [""; 0]);
    assert_eq!(world.find().loader, Some(Loader::Musl));
}

#[test]
fn the_library_path_comes_before_the_rpath() {
    let world = world(main().needs("liba.so").rpath("/r")).libraries(&["/r/liba.so", "/l/liba.so"]);
    assert_eq!(world.found(), ["/r/liba.so"]);
    assert_eq!(world.env("LD_LIBRARY_PATH", "/l").found(), ["/l/liba.so"]);
}

#[test]
fn rpath_and_runpath_are_both_inherited() {
    for main in [main().rpath("/r"), main().runpath("/r"), main().rpath("/none").runpath("/r")] {
        let world = world(main.needs("liba.so"))
            .file("/r/liba.so", library().needs("libb.so").runpath("/none"))
            .libraries(&["/r/libb.so"]);
        assert_eq!(world.found(), ["/r/liba.so", "/r/libb.so"]);
    }
}

#[test]
fn an_unknown_token_spoils_the_whole_rpath() {
    let world = world(main().needs("liba.so").rpath("$ORIGIN/../l:/r")).libraries(&["/app/l/liba.so"]);
    assert_eq!(world.found(), ["/app/bin/../l/liba.so"]);
    assert!(world.find().needs_proc);
    let world = self::world(main().needs("liba.so").rpath("$LIB:/r")).libraries(&["/r/liba.so"]);
    assert_eq!(world.missing(), ["liba.so"]);
}

#[test]
fn the_path_file_takes_the_place_of_what_is_compiled_in() {
    let mut world = world(main().needs("liba.so")).libraries(&["/usr/local/lib/liba.so", "/x/liba.so"]);
    assert_eq!(how(&world.find(), "/usr/local/lib/liba.so"), How::Default);
    world.tree.file("/etc/ld-musl-x86_64.path", b"/none\n/x\n");
    assert_eq!(how(&world.find(), "/x/liba.so"), How::Hints);
    world.tree.file("/etc/ld-musl-x86_64.path", b"/none");
    assert_eq!(world.missing(), ["liba.so"]);
}

#[test]
fn the_compiled_path_is_read_from_the_interpreter() {
    let mut world = world(main().needs("liba.so")).libraries(&["/odd/liba.so", "/usr/lib/liba.so"]);
    world.tree.file(MUSL, &library().symbol("/lib:/odd").build());
    assert_eq!(world.found(), ["/odd/liba.so"]);
}

#[test]
fn sonames_and_filtees_do_not_count() {
    let world = world(main().needs("liba.so").auxiliary("libx.so").needs("libb.so"))
        .file("/lib/liba.so", library().soname("libb.so"))
        .libraries(&["/lib/libb.so", "/lib/libx.so"]);
    assert_eq!(world.found(), ["/lib/liba.so", "/lib/libb.so"]);
}

#[test]
fn the_first_file_of_the_name_is_taken_whatever_it_is() {
    let world = world(main().needs("liba.so").rpath("/one:/two"))
        .file("/one/liba.so", library().machine(Machine::I386))
        .libraries(&["/two/liba.so"]);
    assert_eq!(world.missing(), ["liba.so"]);
}

#[test]
fn the_path_file_ends_with_the_first_nul() {
    let mut world = world(main().needs("liba.so")).libraries(&["/a/liba.so", "/lib/liba.so"]);
    world.tree.file("/etc/ld-musl-x86_64.path", b"/none\0:/a");
    assert_eq!(world.missing(), ["liba.so"]);
    world.tree.file("/etc/ld-musl-x86_64.path", b"/none:/a\0/lib");
    assert_eq!(world.found(), ["/a/liba.so"]);
}
