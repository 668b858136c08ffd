//! rtld(1), rule by rule.

use thinjail_closure::closure::Loader;
use thinjail_closure::hints::ld_elf_hints;

use super::*;
use crate::elf_file::{library, program};

const RTLD: &str = "/libexec/ld-elf.so.1";

fn world(program: Elf) -> World {
    World::new(RTLD, program)
}

fn main() -> Elf {
    program(RTLD).osabi(9)
}

fn hints(mut world: World, directories: &[&str]) -> World {
    world.tree.file("/var/run/ld-elf.so.hints", &ld_elf_hints::write(directories, false));
    world
}

#[test]
fn rpath_of_the_program_counts_but_not_that_of_objects_between() {
    let world = world(main().needs("liba.so").rpath("/r"))
        .file("/r/liba.so", library().needs("libb.so").rpath("/a"))
        .file("/a/libb.so", library().needs("libc.so").needs("libd.so"))
        .libraries(&["/r/libc.so", "/a/libd.so"]);
    let closure = world.find();
    assert_eq!(closure.loader, Some(Loader::FreeBsd));
    assert_eq!(paths(&closure), ["/r/liba.so", "/a/libb.so", "/r/libc.so"]);
    assert_eq!(world.missing(), ["libd.so"]);
}

#[test]
fn the_rpath_of_a_program_with_runpath_counts_for_nobody() {
    let world = world(main().needs("/opt/liba.so").rpath("/r").runpath("/n"))
        .file("/opt/liba.so", library().needs("libb.so"))
        .libraries(&["/r/libb.so"]);
    assert_eq!(world.missing(), ["libb.so"]);
}

#[test]
fn rpath_then_library_path_then_runpath_then_hints_then_standard() {
    let all = ["/r/liba.so", "/l/liba.so", "/n/liba.so", "/h/liba.so", "/usr/lib/liba.so"];
    let first = |skip: usize, main: Elf| {
        let world = world(main).libraries(&all[skip..]).env("LD_LIBRARY_PATH", "/none:/l");
        hints(world, &["/h"]).found().concat()
    };
    let needs = main().needs("liba.so");
    assert_eq!(first(0, needs.clone().rpath("/r")), all[0]);
    assert_eq!(first(1, needs.clone().rpath("/r")), all[1]);
    for (skip, path) in all.iter().enumerate().skip(1) {
        assert_eq!(first(skip, needs.clone().runpath("/n")), *path);
    }
}

#[test]
fn nodefaultlib_shuts_standard_directories_out_of_the_hints_too() {
    let needs = main().needs("liba.so").needs("libb.so").no_default_lib();
    let world = world(needs).libraries(&["/usr/lib/liba.so", "/usr/local/lib/libb.so"]);
    let world = hints(world, &["/lib", "/usr/lib", "/usr/local/lib"]);
    assert_eq!(paths(&world.find()), ["/usr/local/lib/libb.so"]);
    assert_eq!(world.missing(), ["liba.so"]);
}

#[test]
fn origin_is_without_links_and_needs_no_proc() {
    let mut world = world(main().needs("/opt/liba.so").needs("libc.so").runpath("$ORIGIN/../lib"))
        .libraries(&["/real/sub/libb.so", "/app/lib/libc.so"]);
    world.tree.file("/real/liba.so", &library().needs("libb.so").runpath("$ORIGIN/sub").build());
    world.tree.link("/opt/liba.so", "/real/liba.so");
    let closure = world.find();
    assert_eq!(paths(&closure), ["/opt/liba.so", "/app/bin/../lib/libc.so", "/real/sub/libb.so"]);
    assert!(!closure.needs_proc);
}

#[test]
fn osname_and_osrel_are_known() {
    let mut world = world(main().needs("liba.so").runpath("/x/$OSNAME-${OSREL}"));
    world.system.release = Some("14.3-RELEASE".into());
    assert_eq!(world.libraries(&["/x/FreeBSD-14.3-RELEASE/liba.so"]).found().len(), 1);
}

#[test]
fn the_auxiliary_of_libc_is_followed() {
    let world = world(main().needs("libc.so.7"))
        .file("/lib/libc.so.7", library().soname("libc.so.7").auxiliary("libsys.so.7").filter("libnone.so"))
        .libraries(&["/lib/libsys.so.7"]);
    assert_eq!(world.found(), ["/lib/libc.so.7", "/lib/libsys.so.7"]);
}

#[test]
fn programs_of_32_bits_have_directories_and_variables_of_their_own() {
    let rtld = "/libexec/ld-elf32.so.1";
    let i386 = |elf: Elf| elf.machine(Machine::I386).osabi(9);
    let mut world = World::new(rtld, i386(program(rtld).needs("liba.so").needs("libb.so")));
    world.tree.file(rtld, &i386(library()).build());
    let world = world
        .file("/usr/lib32/liba.so", i386(library()))
        .file("/l/libb.so", i386(library()))
        .env("LD_LIBRARY_PATH", "/none")
        .env("LD_32_LIBRARY_PATH", "/l");
    assert_eq!(world.found(), ["/usr/lib32/liba.so", "/l/libb.so"]);
}
