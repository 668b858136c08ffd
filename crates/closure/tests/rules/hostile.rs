//! Whatever the bytes: no panic, no hang, nothing read but regular files.

use std::process::Command;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use thinjail_closure::elf::{ElfError, Object};
use thinjail_closure::hints::{ld_elf_hints, ld_so_cache, libmap};
use thinjail_closure::tree::{DirTree, Kind, Tree};
use thinjail_closure::{script, tokens};
use thinjail_tests::temp::TempDir;

use super::*;
use crate::elf_file::{GLIBC, library, program};

fn parse(bytes: &[u8]) -> bool {
    let mut tree = MemTree::new();
    tree.file("/f", bytes);
    let file = tree.open(Path::new("/f")).unwrap();
    let open = || tree.open(Path::new("/f"));
    Object::parse(&*file).map(|object| (*object.functions(open), *object.paths(open))).is_ok()
}

/// Bytes with some of them changed.
fn damaged(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let len = bytes.len();
    prop::collection::vec((0..len, any::<u8>()), 1..12).prop_map(move |changes| {
        let mut bytes = bytes.clone();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes
    })
}

fn elf() -> Vec<u8> {
    let note = r#"[{"soname":["libz.so"],"priority":"required"}]"#;
    program(GLIBC).soname("me").needs("liba.so").rpath("$ORIGIN").symbol("pthread_exit").note(note).build()
}

proptest! {
    #[test]
    fn random_bytes_are_no_elf_file_but_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        parse(&bytes);
        parse(&[b"\x7fELF\x02\x01\x01", &bytes[..]].concat());
        parse(&[b"\x7fELF\x01\x02\x01", &bytes[..]].concat());
    }

    #[test]
    fn a_damaged_elf_file_is_never_a_panic(bytes in damaged(elf())) {
        parse(&bytes);
        let mut world = World::new(GLIBC, program(GLIBC).needs("liba.so")).libraries(&["/lib64/liba.so"]);
        world.tree.file("/lib64/liba.so", &bytes);
        world.find();
    }

    #[test]
    fn a_damaged_cache_is_never_a_panic(
        bytes in damaged(ld_so_cache::write(&[("liba.so.1", "/a"), ("libb.so", "/b"), ("c", "/c")], 0x303, false)),
        big in any::<bool>(),
    ) {
        let cache = ld_so_cache::Cache::parse(bytes, big);
        let levels = ["x86-64-v2".into()];
        for name in ["liba.so.1", "c", ""] {
            let _ = cache.lookup(name, 0x303, || &levels);
        }
    }

    #[test]
    fn random_hints_are_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = ld_elf_hints::directories(&bytes);
        let _ = ld_elf_hints::directories(&[b"Ehnt", &bytes[..]].concat());
        for magic in [&b"glibc-ld.so.cache1.1"[..], b"ld.so-1.7.0\0"] {
            let cache = ld_so_cache::Cache::parse([magic, &bytes[..]].concat(), false);
            let _ = cache.lookup("libc.so.6", 0x303, || &[]);
        }
    }

    #[test]
    fn a_random_libmap_is_never_a_panic_and_its_size_bounds_the_maps(
        bytes in prop::collection::vec(prop::sample::select(b"ab/[]# \t\n\r\0=,$".to_vec()), 0..400),
    ) {
        let mut map = libmap::LibMap::default();
        let mut constraint = None;
        for line in libmap::lines(&bytes) {
            match line {
                libmap::Line::Constraint(name) => constraint = Some(name),
                libmap::Line::Map(from, to) => map.add(constraint, from, to),
                libmap::Line::Include(_) | libmap::Line::IncludeDirectory(_) => {}
            }
        }
        prop_assert!(libmap::lines(&bytes).count() <= bytes.len());
        for name in ["a", "b", "/a", "a/b", "$DEFAULT$", ""] {
            let _ = map.find(name, "a");
        }
    }

    #[test]
    fn random_scripts_and_tokens_are_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".*") {
        let _ = script::parse(&[b"#!", &bytes[..]].concat());
        let _ = script::env(Some(&text), &|name| Some(name.into()));
        let _ = script::env(Some(&format!("-S{text}")), &|_| None);
        let _ = tokens::expand(&text, &[tokens::Token { name: "ORIGIN", value: Some("/") }]);
    }
}

#[test]
fn a_device_or_a_fifo_in_the_place_of_a_library_is_not_opened() {
    for kind in [Kind::Fifo, Kind::CharDevice, Kind::Directory] {
        let mut world = World::new(GLIBC, program(GLIBC).needs("liba.so").runpath("/n"));
        world.tree.special("/n/liba.so", kind);
        let missing = &world.find().missing[0];
        assert_eq!(missing.refused[0].why, "it is not a regular file");
    }
}

#[test]
fn links_that_lead_to_each_other_end() {
    let mut world = World::new(GLIBC, program(GLIBC).needs("liba.so").runpath("/n"));
    world.tree.link("/n/liba.so", "libb.so").link("/n/libb.so", "liba.so");
    assert_eq!(world.missing(), ["liba.so"]);
}

/// All that is real: files, FIFOs and devices below a directory.
fn real(scratch: &TempDir) -> Closure {
    let tree = DirTree::open_root(scratch.path()).unwrap();
    let system = System { accept: None, ..System::default() };
    find(&tree, system, &Request::new("/main").loads(["/r"])).unwrap()
}

/// A program that needs r/liba.so, and its interpreter.
fn scratch() -> TempDir {
    let scratch = TempDir::new();
    scratch.dir("lib64");
    scratch.dir("r");
    scratch.file("lib64/ld-linux-x86-64.so.2", library().build());
    scratch.program("main", program(GLIBC).needs("liba.so").rpath("/r").build());
    scratch
}

fn refused(scratch: &TempDir) -> String {
    let start = Instant::now();
    let closure = real(scratch);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(closure.missing[0].name, "liba.so");
    closure.missing[0].refused[0].why.clone()
}

#[test]
fn a_fifo_a_socket_and_a_device_in_the_place_of_a_library_are_not_opened() {
    let fifo = scratch();
    let made = Command::new("mkfifo").arg(fifo.at("r/liba.so")).status().unwrap();
    assert!(made.success());
    assert_eq!(refused(&fifo), "it is not a regular file");

    let socket = scratch();
    let _listener = std::os::unix::net::UnixListener::bind(socket.at("r/liba.so")).unwrap();
    assert_eq!(refused(&socket), "it is not a regular file");

    let link = scratch();
    // Of the host it would be a terminal; in its own tree the link leads nowhere.
    std::os::unix::fs::symlink("/dev/tty", link.at("r/liba.so")).unwrap();
    assert_eq!(real(&link).missing[0].refused, []);

    thinjail_tests::need!(thinjail_tests::skip::root());
    let device = scratch();
    let path = device.at("r/liba.so");
    // The watchdog: to open it is to start it.
    let made = Command::new("mknod").args([path.as_str(), "c", "10", "130"]).status().unwrap();
    assert!(made.success());
    assert_eq!(refused(&device), "it is not a regular file");
}

#[test]
fn a_library_of_four_gigabytes_is_damaged_or_searched_in_no_time() {
    let scratch = scratch();
    let grow = || {
        let path = scratch.at("r/liba.so");
        std::fs::File::options().write(true).open(path).unwrap().set_len(4 << 30).unwrap();
    };
    let mut bytes = library().needs("libc.so.6").build();
    // The dynamic section and all of its segment are as large as the file.
    for at in [64 + 32, 64 + 56 + 32] {
        bytes[at..at + 8].copy_from_slice(&(4u64 << 30).to_le_bytes());
    }
    scratch.file("r/liba.so", &bytes);
    grow();
    assert_eq!(refused(&scratch), "a damaged ELF file: the dynamic section too large");

    // A sound one, with names and symbols without end.
    let mut bytes = library().needs("libc.so.6").symbol("pthread_exit").build();
    bytes[64 + 32..64 + 40].copy_from_slice(&(4u64 << 30).to_le_bytes());
    scratch.file("r/liba.so", &bytes);
    scratch.file("r/libc.so.6", library().build());
    grow();
    let start = Instant::now();
    let closure = real(&scratch);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(closure.missing, []);
}

#[test]
fn a_program_that_names_too_many_libraries_and_directories_ends() {
    let mut main = program(GLIBC);
    let directories: Vec<String> = (1..80).map(|turns| format!("{}/r", "/r/..".repeat(turns))).collect();
    main = main.rpath(&directories.join(":"));
    for number in 0..14_000 {
        main = main.needs(&format!("l{number}"));
    }
    let mut world = World::new(GLIBC, main);
    world.tree.directory("/r");
    let start = Instant::now();
    let missing = world.find().missing;
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert_eq!(missing.len(), 14_000);
    let last = &missing[13_999].refused[0].why;
    assert!(last.starts_with("more than 1048576 files"), "{last}");
}

#[test]
fn directories_that_are_not_there_are_tries_and_bound_what_is_put_down() {
    let mut main = program(GLIBC);
    let directories: Vec<String> = (0..2_000).map(|number| format!("/{number}")).collect();
    main = main.runpath(&directories.join(":"));
    for number in 0..5_000 {
        main = main.needs(&format!("l{number}"));
    }
    let missing = World::new(GLIBC, main).find().missing;
    assert_eq!(missing.len(), 5_000);
    assert!(missing[0].searched.len() > 2_000);
    let searched: usize = missing.iter().map(|missing| missing.searched.len()).sum();
    // The cache is put down for each name, and is no directory.
    assert!(searched <= (1 << 20) + 5_000, "{searched}");
}

#[test]
fn files_of_ld_so_conf_that_all_include_all_end() {
    let mut world = World::new(GLIBC, program(GLIBC).needs("liba.so")).libraries(&["/opt/liba.so"]);
    let all = "include /etc/d/*\n".repeat(20);
    world.tree.file("/etc/ld.so.conf", format!("/opt\n{all}").as_bytes());
    for number in 0..1_500 {
        world.tree.file(format!("/etc/d/{number}"), all.as_bytes());
    }
    let start = Instant::now();
    let missing = world.find().missing;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(missing[0].refused.len(), 1, "what comes first is told of all the same");
}

#[test]
fn names_that_are_larger_together_than_any_object_has_are_not_kept() {
    let long = "n".repeat(40_000);
    let of = |count: usize| {
        let file = (0..count).fold(library(), |file, _| file.needs(&long)).build();
        let mut tree = MemTree::new();
        tree.file("/f", &file);
        Object::parse(&*tree.open(Path::new("/f")).unwrap())
    };
    assert_eq!(of(26).unwrap().needs.len(), 26);
    assert!(matches!(of(27), Err(ElfError::TooLarge("the needed names"))));
}

#[test]
fn a_path_longer_than_the_kernel_takes_leads_nowhere() {
    let long = |length: usize| format!("/n{}", "/".repeat(length - "/nliba.so".len()));
    let world =
        |path: &str| World::new(GLIBC, program(GLIBC).needs("liba.so").runpath(path)).libraries(&["/n/liba.so"]);
    assert_eq!(world(&long(4095)).found().len(), 1);
    assert_eq!(world(&long(4096)).missing(), ["liba.so"]);
}

#[test]
fn every_offset_past_the_end_is_an_error_and_no_table_goes_round() {
    let rich = || {
        let note = r#"[{"soname":["libz.so"]}]"#;
        program(GLIBC).soname("me").needs("liba.so").rpath("$ORIGIN").symbol("pthread_exit").note(note).build()
    };
    let bytes = rich();
    for at in 0..bytes.len() / 8 * 8 {
        for value in [u64::MAX, u64::MAX / 2, bytes.len() as u64, (1 << 63) + 1, 4 << 30, 0] {
            let mut bad = bytes.clone();
            let Some(place) = bad.get_mut(at..at + 8) else { continue };
            place.copy_from_slice(&value.to_le_bytes());
            parse(&bad);
        }
    }
}

#[test]
fn a_sparse_file_of_four_gigabytes_is_not_read_whole() {
    let scratch = TempDir::new();
    let mut bytes = library().needs("liba.so").build();
    // The dynamic section and all of its segment are as large as the file.
    for at in [64 + 32, 64 + 56 + 32] {
        bytes[at..at + 8].copy_from_slice(&(4u64 << 30).to_le_bytes());
    }
    let path = scratch.file("lib.so", &bytes);
    std::fs::File::options().write(true).open(&path).unwrap().set_len(4 << 30).unwrap();
    let file = DirTree::host().unwrap().open(&path).unwrap();
    assert!(matches!(Object::parse(&*file), Err(ElfError::TooLarge(_))));
}
