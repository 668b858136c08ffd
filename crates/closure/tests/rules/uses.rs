//! What a program asks for of the usual files, rule by rule.

use thinjail_closure::closure::{Use, Uses};

use super::*;
use crate::elf_file::{GLIBC, library, program, static_program};

const LIBC: &str = "/lib64/libc.so.6";

fn main() -> Elf {
    program(GLIBC).needs("libc.so.6")
}

/// A libc that has everything in it, and a program.
fn world(program: Elf) -> World {
    let libc = library().symbol("getaddrinfo").symbol("getpwnam").symbol("dlopen").text("/etc/localtime");
    World::new(GLIBC, program).file(LIBC, libc)
}

fn uses(program: Elf) -> Uses {
    *world(program).find().uses.unwrap()
}

fn said(used: &Option<Use>) -> String {
    used.as_ref().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn what_libc_and_the_interpreter_name_does_not_count() {
    let mut world = world(main());
    world.tree.file(GLIBC, &library().soname("ld-linux-x86-64.so.2").symbol("dlopen").build());
    assert_eq!(world.find().uses, Some(Box::default()));
}

#[test]
fn each_group_is_told_by_a_function_of_any_member() {
    let world = world(main().needs("liba.so").symbol("getservbyname").symbol("mktime"))
        .file("/lib64/liba.so", library().symbol("getaddrinfo").symbol("initgroups").symbol("execve"));
    let uses = world.find().uses.unwrap();
    assert_eq!(said(&uses.names), "/lib64/liba.so calls getaddrinfo");
    assert_eq!(said(&uses.services), "/app/bin/main calls getservbyname");
    assert_eq!(said(&uses.users), "/lib64/liba.so calls initgroups");
    assert_eq!(said(&uses.time), "/app/bin/main calls mktime");
    assert_eq!(said(&uses.programs), "/lib64/liba.so calls execve");
    assert_eq!(uses.anything, None);
}

#[test]
fn what_loads_more_may_use_anything() {
    for function in ["dlopen", "dlmopen", "__libc_dlopen_mode", "dlsym"] {
        assert!(said(&uses(main().symbol(function)).anything).ends_with(function.trim_start_matches('_')));
    }
}

#[test]
fn a_path_in_the_data_of_a_member_tells_as_much_as_a_function() {
    let of = |text: &str| uses(main().text(text));
    assert_eq!(said(&of("/etc/resolv.conf").names), "/app/bin/main names /etc/resolv.conf");
    assert_eq!(said(&of("file:///etc/services?").services), "/app/bin/main names /etc/services");
    assert_eq!(said(&of("etc/passwd").users), "/app/bin/main names /etc/passwd");
    assert_eq!(said(&of("/usr/share/zoneinfo/").time), "/app/bin/main names zoneinfo");
    for bare in ["/etc", "/etc/", "/etc/%s"] {
        assert_eq!(said(&of(bare).anything), "/app/bin/main names /etc", "{bare}");
    }
    assert_eq!(of("/etc/own.conf"), Uses::default());
}

#[test]
fn a_path_across_two_parts_of_the_data_is_found() {
    for before in (16 << 10) - 600..(16 << 10) + 64 {
        let uses = uses(main().text(&"x".repeat(before)).text("/etc/hosts"));
        assert_eq!(said(&uses.names), "/app/bin/main names /etc/hosts", "{before}");
    }
}

#[test]
fn what_is_too_large_to_be_searched_may_use_anything() {
    let uses = uses(main().text(&"x".repeat(257 << 10)));
    assert_eq!(said(&uses.anything), "/app/bin/main is too large to be searched");
}

#[test]
fn of_what_can_not_be_seen_through_nothing_is_known() {
    let of = |world: World| world.find().uses;
    let mut alone = world(main()).file("/static", static_program());
    alone.request.program = "/static".into();
    assert_eq!(of(alone), None, "static");
    assert_eq!(of(World::new("/lib/ld-musl-x86_64.so.1", program("/lib/ld-musl-x86_64.so.1"))), None, "musl");
    assert_eq!(of(World::new(GLIBC, program(GLIBC))), None, "no libc");
}

#[test]
fn a_script_uses_what_its_interpreters_use() {
    let script = |world: World| {
        let mut world = world.file("/usr/bin/env", main().symbol("getpwnam")).env("PATH", "/app/bin");
        world.tree.file("/script", b"#!/usr/bin/env main\n");
        world.request.program = "/script".into();
        world.find().uses
    };
    let uses = script(world(main().symbol("localtime"))).unwrap();
    assert_eq!(said(&uses.users), "/usr/bin/env calls getpwnam");
    assert_eq!(said(&uses.time), "/app/bin/main calls localtime");
    assert_eq!(script(world(main()).file("/app/bin/main", static_program())), None, "one of them is static");
}

#[test]
fn an_older_libc_has_modules_for_names() {
    let modules = ["/lib64/libnss_files.so.2", "/lib64/libnss_dns.so.2"];
    let of = |symbol: &str, libc: &str| {
        let mut world = World::new(GLIBC, main().symbol(symbol)).libraries(&[libc]).libraries(&modules[1..]);
        world.tree.link(LIBC, libc);
        let world = world.file(modules[0], library().needs("libdeep.so")).libraries(&["/lib64/libdeep.so"]);
        world.found()[1..].to_vec()
    };
    assert_eq!(of("getpwnam", "/lib64/libc-2.31.so"), ["/lib64/libnss_files.so.2", "/lib64/libdeep.so"]);
    assert_eq!(of("getaddrinfo", "/lib64/libc-2.31.so").len(), 3);
    assert_eq!(of("dlopen", "/lib64/libc-2.33.so").len(), 3);
    assert_eq!(of("printf", "/lib64/libc-2.31.so"), [""; 0]);
    assert_eq!(of("getpwnam", "/lib64/libc-2.34.so"), [""; 0]);
}

#[test]
fn modules_that_nsswitch_names_come_for_who_looks_up_names_if_that_file_counts() {
    let of = |symbol: &str, counts: bool| {
        let mut world = world(main().symbol(symbol)).libraries(&["/lib64/libnss_mdns4.so.2", "/lib64/libdeep.so"]);
        let conf = b"passwd: files sys ../x\nhosts: files mdns4 [NOTFOUND=return] dns none\nnetgroup: sys\n";
        world.tree.file("/etc/nsswitch.conf", conf);
        world = world.file("/lib64/libnss_sys.so.2", library().needs("libdeep.so"));
        world.request.name_services = counts;
        world.found()[1..].to_vec()
    };
    let (hosts, users) = ("/lib64/libnss_mdns4.so.2", ["/lib64/libnss_sys.so.2", "/lib64/libdeep.so"]);
    assert_eq!(of("getaddrinfo", true), [hosts]);
    assert_eq!(of("getpwnam", true), users);
    assert_eq!(of("dlopen", true).len(), 3);
    assert_eq!(of("printf", true), [""; 0]);
    assert_eq!(of("getaddrinfo", false), [""; 0], "a jail has a file of its own");
}
