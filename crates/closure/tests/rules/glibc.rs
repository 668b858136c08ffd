//! ld.so(8), rule by rule.

use thinjail_closure::closure::{Finder, Loader, Objects};
use thinjail_closure::hints::ld_so_cache;

use super::*;
use crate::elf_file::{GLIBC, library, program};

fn world(program: Elf) -> World {
    World::new(GLIBC, program)
}

fn main() -> Elf {
    program(GLIBC)
}

fn cache(mut world: World, entries: &[(&str, &str)]) -> World {
    world.tree.file("/etc/ld.so.cache", &ld_so_cache::write(entries, 0x303, false));
    world
}

#[test]
fn libraries_are_met_breadth_first() {
    let world = world(main().needs("liba.so").needs("libb.so"))
        .file("/lib64/liba.so", library().needs("libc.so"))
        .file("/lib64/libb.so", library().needs("libd.so"))
        .libraries(&["/lib64/libc.so", "/lib64/libd.so"]);
    assert_eq!(world.found(), ["/lib64/liba.so", "/lib64/libb.so", "/lib64/libc.so", "/lib64/libd.so"]);
    let closure = world.find();
    assert_eq!(closure.loader, Some(Loader::Glibc));
    let roles: Vec<_> = closure.members.iter().map(|member| member.role).collect();
    assert_eq!(roles[..2], [Role::Program, Role::Interpreter]);
    let needed_by = closure.members[4].needed_by.as_deref();
    assert_eq!((closure.members[4].name.as_str(), needed_by), ("libc.so", Some(Path::new("/lib64/liba.so"))));
}

#[test]
fn the_first_finder_of_a_name_wins() {
    let world = world(main().needs("liba.so").needs("libb.so"))
        .file("/lib64/liba.so", library().needs("libx.so").runpath("/a"))
        .file("/lib64/libb.so", library().needs("libx.so").runpath("/b"))
        .libraries(&["/a/libx.so", "/b/libx.so"]);
    assert_eq!(world.found(), ["/lib64/liba.so", "/lib64/libb.so", "/a/libx.so"]);
}

#[test]
fn a_name_that_is_the_soname_of_a_loaded_object_is_not_looked_for() {
    let world = world(main().needs("/opt/odd.so").needs("liba.so.1"))
        .file("/opt/odd.so", library().soname("liba.so.1"))
        .libraries(&["/lib64/liba.so.1"]);
    assert_eq!(world.found(), ["/opt/odd.so"]);
}

#[test]
fn one_file_by_two_names_is_loaded_once_but_both_paths_are_members() {
    let mut world = world(main().needs("liba.so").needs("libb.so")).file("/lib64/liba.so", library().needs("libz.so"));
    world.tree.link("/lib64/libb.so", "liba.so").hard_link("/lib64/libz.so", "/lib64/liba.so");
    assert_eq!(world.found(), ["/lib64/liba.so", "/lib64/libb.so", "/lib64/libz.so"]);
}

#[test]
fn a_file_that_is_loaded_already_asks_for_nothing_again() {
    let mut world = world(main().needs("liba.so").needs("libb.so"))
        .file("/lib64/liba.so", library().needs("libx.so").rpath("/a"))
        .file("/lib64/libb.so", library().needs("liby.so").rpath("/b"))
        .file("/a/libx.so", library().needs("libz.so"))
        .libraries(&["/b/libz.so"]);
    world.tree.hard_link("/b/liby.so", "/a/libx.so");
    let closure = world.find();
    assert_eq!(paths(&closure), ["/lib64/liba.so", "/lib64/libb.so", "/a/libx.so", "/b/liby.so"]);
    assert_eq!(world.missing(), ["libz.so"]);
}

#[test]
fn the_interpreter_is_reused_by_its_soname() {
    let world = world(main().needs("ld-linux-x86-64.so.2"));
    assert_eq!(world.found(), [""; 0]);
}

#[test]
fn rpath_goes_up_the_chain_of_loaders() {
    let world = world(main().needs("liba.so").rpath("/r"))
        .file("/r/liba.so", library().needs("libb.so"))
        .file("/r/libb.so", library().needs("libc.so").rpath("/own"))
        .libraries(&["/r/libc.so", "/own/libc.so"]);
    assert_eq!(world.found(), ["/r/liba.so", "/r/libb.so", "/own/libc.so"]);
    assert_eq!(how(&world.find(), "/r/libb.so"), How::Rpath);
}

#[test]
fn rpath_is_ignored_when_runpath_exists() {
    let world = world(main().needs("liba.so").rpath("/r").runpath("/n")).libraries(&["/r/liba.so", "/n/liba.so"]);
    assert_eq!(world.found(), ["/n/liba.so"]);
    assert_eq!(how(&world.find(), "/n/liba.so"), How::Runpath);
}

#[test]
fn the_rpath_of_an_object_with_runpath_counts_for_nobody_below_it_either() {
    let world = world(main().needs("/opt/liba.so").rpath("/r").runpath("/n"))
        .file("/opt/liba.so", library().needs("libb.so"))
        .libraries(&["/r/libb.so"]);
    assert_eq!(world.missing(), ["libb.so"]);
}

#[test]
fn an_object_with_runpath_has_no_use_for_rpaths_above() {
    let world = world(main().needs("liba.so").rpath("/r"))
        .file("/r/liba.so", library().needs("libb.so").runpath("/nothing"))
        .libraries(&["/r/libb.so"]);
    assert_eq!(world.missing(), ["libb.so"]);
}

#[test]
fn runpath_is_not_inherited() {
    let world = world(main().needs("liba.so").runpath("/n"))
        .file("/n/liba.so", library().needs("libb.so"))
        .libraries(&["/n/libb.so"]);
    assert_eq!(world.missing(), ["libb.so"]);
}

#[test]
fn rpath_then_library_path_then_runpath_then_cache_then_default() {
    let all = ["/r/liba.so", "/l/liba.so", "/n/liba.so", "/c/liba.so", "/lib64/liba.so"];
    let first = |skip: usize, main: Elf| {
        let world = world(main).libraries(&all[skip..]).env("LD_LIBRARY_PATH", "/l");
        let found = cache(world, &[("liba.so", "/c/liba.so")]).found();
        assert_eq!(found.len(), 1);
        found[0].clone()
    };
    let needs = main().needs("liba.so");
    assert_eq!(first(0, needs.clone().rpath("/r")), "/r/liba.so");
    assert_eq!(first(1, needs.clone().rpath("/r")), "/l/liba.so");
    for (skip, path) in all.iter().enumerate().skip(1) {
        assert_eq!(first(skip, needs.clone().runpath("/n")), *path);
    }
}

#[test]
fn a_cached_path_that_is_gone_leads_on_to_the_defaults() {
    let world = world(main().needs("liba.so")).libraries(&["/usr/lib64/liba.so"]);
    let world = cache(world, &[("liba.so", "/gone/liba.so")]);
    assert_eq!(world.found(), ["/usr/lib64/liba.so"]);
    assert_eq!(how(&world.find(), "/usr/lib64/liba.so"), How::Default);
}

#[test]
fn nodeflib_shuts_out_default_directories_and_what_the_cache_knows_of_them() {
    let world =
        world(main().needs("liba.so").needs("libb.so").no_default_lib()).libraries(&["/lib64/liba.so", "/opt/libb.so"]);
    let world = cache(world, &[("liba.so", "/lib64/liba.so"), ("libb.so", "/opt/libb.so")]);
    assert_eq!(paths(&world.find()), ["/opt/libb.so"]);
    assert_eq!(world.missing(), ["liba.so"]);
}

#[test]
fn hwcaps_directories_come_first_and_only_those_of_the_processor() {
    let mut world = world(main().needs("liba.so").runpath("/n")).libraries(&[
        "/n/liba.so",
        "/n/glibc-hwcaps/x86-64-v2/liba.so",
        "/n/glibc-hwcaps/x86-64-v3/liba.so",
        "/n/glibc-hwcaps/x86-64-v4/liba.so",
    ]);
    assert_eq!(world.found(), ["/n/glibc-hwcaps/x86-64-v3/liba.so"]);
    world.system.cpu = Cpu::x86_64(1);
    assert_eq!(world.found(), ["/n/liba.so"]);
}

#[test]
fn hwcaps_of_the_processor_are_not_for_other_machines() {
    let main = main().machine(Machine::I386).needs("liba.so").runpath("/n");
    let mut world = world(main)
        .file("/n/liba.so", library().machine(Machine::I386))
        .file("/n/glibc-hwcaps/x86-64-v2/liba.so", library().machine(Machine::I386));
    world.tree.file(GLIBC, &library().machine(Machine::I386).build());
    assert_eq!(world.found(), ["/n/liba.so"]);
}

#[test]
fn a_file_for_another_machine_is_passed_over() {
    let world = world(main().needs("liba.so").runpath("/one:/two:/three"))
        .file("/one/liba.so", library().machine(Machine::I386))
        .file("/two/liba.so", library().machine(Machine::AARCH64))
        .libraries(&["/three/liba.so"]);
    assert_eq!(world.found(), ["/three/liba.so"]);
}

#[test]
fn a_file_that_is_no_library_ends_the_search() {
    let mut world = world(main().needs("liba.so").runpath("/one:/two")).libraries(&["/two/liba.so"]);
    world.tree.file("/one/liba.so", b"/* GNU ld script */");
    let missing = world.find().missing;
    assert_eq!(missing[0].name, "liba.so");
    assert_eq!(missing[0].refused[0].path, Path::new("/one/liba.so"));
    assert_eq!(missing[0].refused[0].why, "not an ELF file");
}

#[test]
fn a_name_with_a_slash_is_a_path() {
    let mut world = world(main().needs("/opt/liba.so").needs("sub/libb.so")).libraries(&[
        "/opt/liba.so",
        "/srv/here/sub/libb.so",
        "/lib64/sub/libb.so",
    ]);
    world.request.cwd = "/srv/here".into();
    assert_eq!(world.found(), ["/opt/liba.so", "/srv/here/sub/libb.so"]);
    assert_eq!(how(&world.find(), "/opt/liba.so"), How::Path);
}

#[test]
fn an_empty_element_of_a_path_is_the_current_directory() {
    let mut world = world(main().needs("liba.so").runpath("/none:")).libraries(&["/srv/here/liba.so"]);
    world.request.cwd = "/srv/here".into();
    assert_eq!(world.found().len(), 1);
    world.request.cwd = "/".into();
    assert_eq!(world.missing(), ["liba.so"]);
}

#[test]
fn library_path_is_split_at_colons_and_semicolons() {
    let world = world(main().needs("liba.so").needs("libb.so")).libraries(&["/x/liba.so", "/y/libb.so"]);
    assert_eq!(world.env("LD_LIBRARY_PATH", "/none;/x:/y").found(), ["/x/liba.so", "/y/libb.so"]);
}

#[test]
fn origin_of_the_program_is_without_links_and_needs_proc() {
    let mut world = world(main().needs("liba.so").runpath("$ORIGIN/../lib")).libraries(&["/app/lib/liba.so"]);
    world.tree.link("/usr/bin/main", "/app/bin/main");
    world.request.program = "/usr/bin/main".into();
    let closure = world.find();
    assert_eq!(paths(&closure), ["/app/bin/../lib/liba.so"]);
    assert!(closure.needs_proc);
    assert_eq!(closure.directories, [Path::new("/app/bin")]);
}

#[test]
fn origin_of_a_library_is_where_it_was_opened_and_needs_no_proc() {
    let mut world = world(main().needs("/opt/liba.so")).libraries(&["/opt/sub/libb.so", "/real/sub/libb.so"]);
    world.tree.file("/real/liba.so", &library().needs("libb.so").runpath("${ORIGIN}/sub").build());
    world.tree.link("/opt/liba.so", "/real/liba.so");
    let closure = world.find();
    assert_eq!(paths(&closure), ["/opt/liba.so", "/opt/sub/libb.so"]);
    assert!(!closure.needs_proc);
}

#[test]
fn an_origin_that_is_not_used_needs_no_proc() {
    let world = world(main().needs("liba.so").runpath("/n:$ORIGIN")).libraries(&["/n/liba.so"]);
    assert!(!world.find().needs_proc);
}

#[test]
fn a_needed_name_may_hold_origin() {
    let world = world(main().needs("/a/libx.so").needs("/b/liby.so"))
        .file("/a/libx.so", library().needs("$ORIGIN/own.so"))
        .file("/b/liby.so", library().needs("$ORIGIN/own.so"))
        .libraries(&["/a/own.so", "/b/own.so"]);
    assert_eq!(world.found(), ["/a/libx.so", "/b/liby.so", "/a/own.so", "/b/own.so"]);
}

#[test]
fn lib_and_platform_stand_for_what_the_interpreter_and_the_processor_say() {
    let mut world = world(main().needs("liba.so").needs("libb.so").runpath("/x/$LIB:/x/${PLATFORM}"));
    let interpreter = library().symbol("/lib/x86_64-linux-gnu/").symbol("/usr/lib/x86_64-linux-gnu/").build();
    world.tree.file(GLIBC, &interpreter);
    let world = world.libraries(&["/x/lib/x86_64-linux-gnu/liba.so", "/x/x86_64/libb.so"]);
    assert_eq!(world.found(), ["/x/lib/x86_64-linux-gnu/liba.so", "/x/x86_64/libb.so"]);
}

#[test]
fn default_directories_are_those_of_the_interpreter_at_hand() {
    let mut world = world(main().needs("liba.so")).libraries(&["/usr/lib/odd/liba.so", "/lib64/liba.so"]);
    world.tree.file(GLIBC, &library().symbol("/lib/odd/").symbol("/usr/lib/odd/").build());
    assert_eq!(world.found(), ["/usr/lib/odd/liba.so"]);
}

#[test]
fn preloads_come_before_all_and_may_be_missing() {
    let mut world = world(main().needs("libc.so"))
        .libraries(&["/lib64/libc.so", "/lib64/libp.so", "/opt/q.so", "/opt/r.so"])
        .env("LD_PRELOAD", "libp.so:/opt/q.so libnone.so");
    world.tree.file("/etc/ld.so.preload", b"# comment /no.so\n/opt/r.so # more\n");
    assert_eq!(world.found(), ["/lib64/libp.so", "/opt/q.so", "/opt/r.so", "/lib64/libc.so"]);
    assert_eq!(how(&world.find(), "/opt/r.so"), How::Preload);
}

#[test]
fn auxiliary_is_taken_if_there_and_filter_must_be() {
    let main = main().needs("liba.so").auxiliary("libaux.so").auxiliary("libnone.so").filter("libf.so");
    let with = world(main.clone()).libraries(&["/lib64/liba.so", "/lib64/libaux.so", "/lib64/libf.so"]);
    assert_eq!(with.found(), ["/lib64/liba.so", "/lib64/libaux.so", "/lib64/libf.so"]);
    let without = world(main).libraries(&["/lib64/liba.so"]);
    assert_eq!(without.missing(), ["libf.so"]);
}

#[test]
fn the_needs_of_a_filtee_come_before_those_of_later_objects() {
    let world = world(main().needs("liba.so").auxiliary("libx.so"))
        .file("/lib64/liba.so", library().needs("libz.so").runpath("/of-a"))
        .file("/lib64/libx.so", library().needs("libz.so").runpath("/of-x"))
        .libraries(&["/of-a/libz.so", "/of-x/libz.so"]);
    assert_eq!(world.found(), ["/lib64/liba.so", "/lib64/libx.so", "/of-x/libz.so"]);
}

#[test]
fn libgcc_is_implied_for_who_cancels_threads() {
    let all = ["/lib64/libc.so.6", "/lib64/libgcc_s.so.1"];
    let with = |symbol: &str| world(main().needs("libc.so.6").symbol(symbol)).libraries(&all);
    assert_eq!(with("pthread_cancel").found(), all);
    assert_eq!(how(&with("backtrace").find(), all[1]), How::Implied);
    assert_eq!(with("pthread_create").found(), all[..1]);
    let gone = world(main().needs("libc.so.6").symbol("pthread_exit")).libraries(&all[..1]);
    assert_eq!(gone.found(), all[..1], "it is no error where it is not there");
    let libc = library().symbol("pthread_cancel");
    assert_eq!(world(main().needs("libc.so.6")).file(all[0], libc).libraries(&all[1..]).found(), all[..1]);
}

#[test]
fn what_is_missing_says_who_needs_it_and_where_it_was_looked_for() {
    let world = world(main().needs("liba.so")).file("/lib64/liba.so", library().needs("libno.so").runpath("/n"));
    let missing = &world.find().missing[0];
    assert_eq!((missing.name.as_str(), missing.role), ("libno.so", Role::Library));
    assert_eq!(missing.needed_by, Path::new("/lib64/liba.so"));
    let searched: Vec<_> = missing.searched.iter().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(searched, ["/n", "/etc/ld.so.cache", "/lib64/", "/usr/lib64/"]);
}

#[test]
fn a_missing_interpreter_is_missing() {
    let mut world = world(main().needs("liba.so"));
    world.tree.file("/app/bin/main", &program("/lib/ld-none.so.1").build());
    let missing = world.find().missing;
    assert_eq!((missing[0].role, missing[0].name.as_str()), (Role::Interpreter, "/lib/ld-none.so.1"));
}

#[test]
fn a_library_asked_for_gets_the_interpreter_of_the_request() {
    let mut world = world(main()).libraries(&["/opt/own/libb.so"]);
    world.tree.file("/opt/liba.so", &library().needs("libb.so").runpath("$ORIGIN/own").build());
    world.request.program = "/opt/liba.so".into();
    assert_eq!(world.find().members.len(), 1);
    world.request.interpreter = Some(GLIBC.into());
    world.tree.set("/opt/liba.so", |meta| meta.mode = 0o644);
    let closure = world.find();
    assert_eq!(paths(&closure), ["/opt/own/libb.so"]);
    assert!(!closure.needs_proc, "it is opened, not executed");
}

#[test]
fn five_thousand_libraries_in_a_chain_are_found() {
    let mut world = world(main().needs("lib0.so").rpath("/r"));
    for n in 0..5000 {
        world.tree.file(format!("/r/lib{n}.so"), &library().needs(&format!("lib{}.so", n + 1)).build());
    }
    let closure = world.libraries(&["/r/lib5000.so"]).find();
    assert_eq!((closure.missing.len(), closure.members.len()), (0, 5003));
}

#[test]
fn libraries_that_need_each_other_end() {
    let world = world(main().needs("liba.so"))
        .file("/lib64/liba.so", library().needs("libb.so"))
        .file("/lib64/libb.so", library().needs("liba.so").needs("libb.so"));
    assert_eq!(world.found(), ["/lib64/liba.so", "/lib64/libb.so"]);
}

#[test]
fn a_second_tree_with_the_same_files_is_not_parsed_again() {
    let world = world(main().needs("liba.so")).libraries(&["/lib64/liba.so"]);
    let objects = Objects::default();
    let first = Finder::new(&world.tree, world.system.clone(), objects.clone()).find(&world.request).unwrap();
    let mut planned = MemTree::new();
    for member in &first.members {
        // Nothing that could be parsed, but the identity of what was.
        planned.file(&member.path, b"").set(&member.path, |meta| *meta = member.resolved.meta);
    }
    let second = Finder::new(&planned, world.system.clone(), objects).find(&world.request).unwrap();
    assert_eq!(second, first);
}

#[test]
fn a_library_that_ldconfig_has_not_seen_yet_is_missing_and_told_of() {
    let mut world = world(main().needs("liba.so").needs("libb.so")).libraries(&["/opt/lib/liba.so", "/more/libb.so"]);
    world.tree.file("/etc/ld.so.conf", b"include ld.so.conf.d/*.conf\ninclude /etc/ld.so.conf\n/none\n/more\n");
    world.tree.file("/etc/ld.so.conf.d/opt.conf", b"/opt/lib # x\n").file("/etc/ld.so.conf.d/.x.conf", b"/more");
    let missing = world.find().missing;
    let told: Vec<_> = missing.iter().flat_map(|missing| &missing.refused).collect();
    let paths: Vec<_> = told.iter().map(|refused| refused.path.to_str().unwrap()).collect();
    assert_eq!(paths, ["/opt/lib/liba.so", "/more/libb.so"]);
    assert!(told[0].why.ends_with("run ldconfig(8)"), "{}", told[0].why);

    // One for another machine would not be found with it either.
    world.tree.file("/opt/lib/liba.so", &library().machine(Machine::AARCH64).build());
    assert_eq!(world.find().missing[0].refused, []);
}
