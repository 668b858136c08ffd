//! What is read of an ELF file, and what is refused.

use thinjail_closure::elf::{ElfError, NeedKind, Object};
use thinjail_closure::tree::Tree;

use super::*;
use crate::elf_file::{GLIBC, library, program};

fn parse(bytes: &[u8]) -> Result<Object, ElfError> {
    let mut tree = MemTree::new();
    tree.file("/f", bytes);
    Object::parse(&*tree.open(Path::new("/f")).unwrap())
}

fn rich() -> Elf {
    program(GLIBC).soname("self").needs("liba.so").auxiliary("libx.so").needs("libb.so").rpath("/r").runpath("/n")
}

#[test]
fn both_classes_and_byte_orders_are_read() {
    for (wide, big_endian) in [(false, false), (false, true), (true, false), (true, true)] {
        let machine = Machine { number: 22, wide, big_endian };
        let object = parse(&rich().machine(machine).build()).unwrap();
        assert_eq!((object.machine, object.kind), (machine, 3));
        let needs: Vec<_> = object.needs.iter().map(|need| (need.kind, need.name.as_str())).collect();
        let kinds = [(NeedKind::Needed, "liba.so"), (NeedKind::Auxiliary, "libx.so"), (NeedKind::Needed, "libb.so")];
        assert_eq!(needs, kinds);
        let texts = [object.interpreter, object.soname, object.rpath, object.runpath].map(Option::unwrap);
        assert_eq!(texts, [GLIBC, "self", "/r", "/n"]);
    }
}

#[test]
fn where_a_tag_is_twice_the_last_counts() {
    assert_eq!(parse(&library().soname("one").soname("two").build()).unwrap().soname.as_deref(), Some("two"));
}

#[test]
fn strings_far_apart_and_longer_than_a_window_are_read() {
    let far = "f".repeat(10_000);
    let elf = library().needs("near").symbol(&far).needs("far").runpath(&format!("/{far}"));
    let object = parse(&elf.build()).unwrap();
    assert_eq!(object.needs[1].name, "far");
    assert_eq!(object.runpath.unwrap().len(), 10_001);
}

#[test]
fn every_truncation_is_an_error_or_the_same() {
    let bytes = rich().build();
    for len in 0..bytes.len() {
        match parse(&bytes[..len]) {
            Err(_) => {}
            Ok(object) => panic!("{len} of {} bytes: {object:?}", bytes.len()),
        }
    }
}

#[test]
fn sizes_beyond_the_file_allocate_nothing() {
    let bytes = rich().build();
    // p_filesz of each of the three segments, then e_phoff and e_phnum.
    for at in [64 + 32, 64 + 56 + 32, 64 + 112 + 32, 32] {
        let mut bad = bytes.clone();
        bad[at..at + 8].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
        let _ = parse(&bad).is_ok();
        bad[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        let _ = parse(&bad).is_ok();
    }
    let mut bad = bytes;
    bad[56..58].copy_from_slice(&u16::MAX.to_le_bytes());
    assert!(matches!(parse(&bad), Err(ElfError::TooLarge(_))));
}
