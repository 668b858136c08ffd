//! Whatever the bytes: no panic, no hang, nothing read but regular files.

use proptest::prelude::*;
use thinjail_closure::elf::{ElfError, Object};
use thinjail_closure::hints::{ld_elf_hints, ld_so_cache};
use thinjail_closure::tree::{DirTree, Kind, Tree};
use thinjail_closure::{script, tokens};
use thinjail_tests::temp::TempDir;

use super::*;
use crate::elf_file::{GLIBC, library, program};

fn parse(bytes: &[u8]) -> bool {
    let mut tree = MemTree::new();
    tree.file("/f", bytes);
    let file = tree.open(Path::new("/f")).unwrap();
    let open = || tree.open(Path::new("/f")).map(Into::into);
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
    program(GLIBC).soname("me").needs("liba.so").rpath("$ORIGIN").symbol("pthread_exit").build()
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
