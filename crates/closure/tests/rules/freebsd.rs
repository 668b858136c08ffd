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

fn libmap(mut world: World, text: &str) -> World {
    world.tree.file("/etc/libmap.conf", text.as_bytes());
    world
}

#[test]
fn libmap_has_another_library_in_the_place_of_a_name() {
    let world = world(main().needs("liba.so").needs("libb.so").needs("libc.so")).libraries(&[
        "/lib/liba.so",
        "/lib/libb.so",
        "/lib/other.so",
        "/lib/libc.so",
        "/opt/exact.so",
    ]);
    let world = libmap(world, "liba.so other.so # here\nlibb.so /opt/exact.so\n");
    assert_eq!(world.found(), ["/lib/other.so", "/opt/exact.so", "/lib/libc.so"]);
    let maps = world.find().maps;
    assert_eq!((maps.len(), maps[1].by.as_str(), maps[1].to.as_str()), (2, "/app/bin/main", "/opt/exact.so"));
    assert_eq!(world.env("LD_LIBMAP_DISABLE", "1").found(), ["/lib/liba.so", "/lib/libb.so", "/lib/libc.so"]);
}

#[test]
fn libmap_constraints_hold_for_their_objects_and_then_for_all() {
    let world = world(main().needs("liba.so").needs("libb.so"))
        .file("/lib/liba.so", library().needs("libx.so"))
        .file("/lib/libb.so", library().needs("libx.so").needs("liby.so"))
        .libraries(&["/lib/libx.so", "/lib/liby.so", "/lib/newx.so", "/lib/newy.so"]);
    // Of two blocks that fit an object the later one counts, and it alone.
    let text = "[/lib/]\nliby.so newy.so\nlibx.so none.so\n[/lib/liba.so]\nlibx.so newx.so\n[main]\nlibz.so none\n";
    assert_eq!(libmap(world, text).found(), ["/lib/liba.so", "/lib/libb.so", "/lib/newx.so", "/lib/newy.so"]);
}

#[test]
fn libmap_maps_directories_of_search_paths_too() {
    let world = world(main().needs("liba.so").runpath("/old")).libraries(&["/old/liba.so", "/new/liba.so"]);
    assert_eq!(libmap(world, "/old /new").found(), ["/new/liba.so"]);
}

#[test]
fn a_long_libmap_costs_no_more_than_as_many_files_looked_for() {
    let directories: Vec<String> = (0..3_000).map(|number| format!("/{number}")).collect();
    let needs = (0..3_000).fold(main(), |main, number| main.needs(&format!("lib{number}.so")));
    let lines: String = (0..3_000).map(|number| format!("/{number} /to/{number}\n")).collect();
    let world = libmap(world(needs.runpath(&directories.join(":"))), &lines);
    let start = std::time::Instant::now();
    let missing = world.find().missing;
    assert_eq!(missing.len(), 3_000);
    assert!(missing[2_999].refused[0].why.starts_with("more than 1048576 files"));
    assert!(start.elapsed() < std::time::Duration::from_secs(600), "{:?}", start.elapsed());
}

#[test]
fn libmap_reads_what_it_includes_once() {
    let mut world = world(main().needs("liba.so").needs("libb.so").needs("libc.so")).libraries(&[
        "/lib/liba.so",
        "/lib/1.so",
        "/lib/2.so",
        "/lib/libc.so",
    ]);
    world.tree.file("/usr/local/etc/libmap.d/a.conf", b"liba.so 1.so\nincludedir /usr/local/etc/libmap.d\n");
    world.tree.file("/usr/local/etc/libmap.d/b.txt", b"libc.so none.so\n");
    world.tree.file("/etc/more", b"libb.so 2.so\ninclude /etc/libmap.conf\ninclude /etc/more\n");
    let world = libmap(world, "includedir /usr/local/etc/libmap.d\ninclude /etc/more\n");
    assert_eq!(world.found(), ["/lib/1.so", "/lib/2.so", "/lib/libc.so"]);
}

#[test]
fn libmap_may_come_from_the_environment() {
    let world = world(main().needs("liba.so")).libraries(&["/lib/liba.so", "/lib/1.so", "/lib/2.so"]);
    let world = libmap(world, "liba.so 1.so").env("LD_LIBMAP", "libz.so=x,liba.so=2.so");
    assert_eq!(world.found(), ["/lib/2.so"]);
}

#[test]
fn a_preloaded_object_is_not_mapped_and_looked_for_by_nobodys_paths() {
    let world = world(main().rpath("/r")).libraries(&["/h/liba.so", "/h/1.so", "/r/liba.so"]);
    let world = hints(libmap(world, "liba.so 1.so"), &["/h"]).env("LD_PRELOAD", "liba.so");
    assert_eq!(world.found(), ["/h/liba.so"]);
    let standard = World::new(RTLD, main()).libraries(&["/lib/liba.so"]).env("LD_PRELOAD", "liba.so");
    assert_eq!(standard.missing(), ["liba.so"], "standard directories are for what an object needs");
}

#[test]
fn library_path_may_be_asked_to_come_before_rpath() {
    let world = world(main().needs("liba.so").rpath("/r").no_default_lib()).libraries(&["/r/liba.so", "/l/liba.so"]);
    let world = world.env("LD_LIBRARY_PATH", "/l");
    assert_eq!(world.found(), ["/r/liba.so"]);
    assert_eq!(world.env("LD_LIBRARY_PATH_RPATH", "yes").found(), ["/l/liba.so"]);
}

#[test]
fn a_second_object_of_the_same_written_name_is_the_first() {
    let world = world(main().needs("/a/libx.so").needs("/b/liby.so"))
        .file("/a/libx.so", library().needs("$ORIGIN/own.so"))
        .file("/b/liby.so", library().needs("$ORIGIN/own.so"))
        .libraries(&["/a/own.so", "/b/own.so"]);
    assert_eq!(world.found(), ["/a/libx.so", "/b/liby.so", "/a/own.so"], "names are compared as they are written");
}

#[test]
fn with_more_rights_than_the_caller_the_environment_and_origin_do_not_count() {
    let mut world = world(main().needs("liba.so").needs("libb.so").runpath("$ORIGIN/../own:/n"))
        .libraries(&["/app/own/liba.so", "/n/libb.so", "/l/liba.so", "/p.so"])
        .env("LD_LIBRARY_PATH", "/l")
        .env("LD_PRELOAD", "/p.so");
    assert_eq!(world.found(), ["/p.so", "/l/liba.so", "/n/libb.so"]);
    world.request.secure = true;
    assert_eq!((paths(&world.find()), world.missing()), (vec!["/n/libb.so".to_owned()], vec!["liba.so".to_owned()]));
}
