//! What the loaders take of the environment when a program has more rights than its caller: `AT_SECURE`.

use super::*;
use crate::elf_file::{GLIBC, library, program};

fn secure(mut world: World) -> World {
    world.request.secure = true;
    world
}

#[test]
fn library_path_does_not_count() {
    for interpreter in [GLIBC, "/lib/ld-musl-x86_64.so.1", "/libexec/ld-elf.so.1"] {
        let world = World::new(interpreter, program(interpreter).needs("liba.so").runpath("/n"))
            .libraries(&["/l/liba.so", "/n/liba.so"])
            .env("LD_LIBRARY_PATH", "/l");
        assert_eq!(world.found(), ["/l/liba.so"]);
        assert_eq!(secure(world).found(), ["/n/liba.so"], "{interpreter}");
    }
}

#[test]
fn preloads_by_path_do_not_count_and_others_must_be_set_user_id_in_a_default_directory() {
    let mut world = World::new(GLIBC, program(GLIBC))
        .libraries(&["/p.so", "/lib64/own.so", "/lib64/setuid.so", "/l/lost.so", "/c/cached.so"])
        .env("LD_PRELOAD", "/p.so own.so setuid.so lost.so cached.so")
        .env("LD_LIBRARY_PATH", "/l");
    for path in ["/lib64/setuid.so", "/l/lost.so", "/c/cached.so"] {
        world.tree.set(path, |meta| meta.mode |= 0o4000);
    }
    let cache = thinjail_closure::hints::ld_so_cache::write(&[("cached.so", "/c/cached.so")], 0x303, false);
    world.tree.file("/etc/ld.so.cache", &cache);
    assert_eq!(world.found().len(), 5);
    assert_eq!(secure(world).found(), ["/lib64/setuid.so"]);
}

#[test]
fn what_root_writes_into_ld_so_preload_counts() {
    let mut world = World::new(GLIBC, program(GLIBC)).libraries(&["/p.so"]);
    world.tree.file("/etc/ld.so.preload", b"/p.so");
    assert_eq!(secure(world).found(), ["/p.so"]);
    let musl = "/lib/ld-musl-x86_64.so.1";
    let world = World::new(musl, program(musl)).libraries(&["/p.so"]).env("LD_PRELOAD", "/p.so");
    assert_eq!(secure(world).found(), [""; 0]);
}

#[test]
fn origin_counts_where_it_stands_first_and_leads_to_a_default_directory() {
    let of = |at: &str, runpath: &str| {
        let main = program(GLIBC).needs("liba.so").runpath(runpath);
        let mut world = World::new(GLIBC, main.clone()).file(at, main);
        world.request.program = at.into();
        let world = secure(world.libraries(&["/app/lib/liba.so", "/usr/lib64/own/liba.so"]));
        paths(&world.find())
    };
    assert_eq!(of("/app/bin/main", "$ORIGIN/../lib"), [""; 0]);
    assert_eq!(of("/usr/lib64/own/main", "$ORIGIN"), ["/usr/lib64/own/liba.so"]);
    assert_eq!(of("/usr/lib64/own/main", "/$ORIGIN"), [""; 0]);
    assert_eq!(of("/usr/bin/main", "$ORIGIN/../lib64/own"), ["/usr/bin/../lib64/own/liba.so"]);
}

#[test]
fn origin_of_a_library_counts_wherever_it_is() {
    let world = World::new(GLIBC, program(GLIBC).needs("/opt/liba.so"))
        .file("/opt/liba.so", library().needs("libb.so").runpath("$ORIGIN/own"))
        .libraries(&["/opt/own/libb.so"]);
    assert_eq!(secure(world).found(), ["/opt/liba.so", "/opt/own/libb.so"]);
}
