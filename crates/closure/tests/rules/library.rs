//! What is asked of a library, and what is left out unless it is asked for.

use std::path::PathBuf;

use thinjail_closure::closure::{Finder, Objects};
use thinjail_closure::tree::Kind;

use super::*;
use crate::elf_file::{GLIBC, library, program};

const MUSL: &str = "/lib/ld-musl-x86_64.so.1";
const RTLD: &str = "/libexec/ld-elf.so.1";

/// The interpreter for a library, where these are there.
fn usual(elf: Elf, interpreters: &[&str]) -> Option<String> {
    let mut tree = MemTree::new();
    tree.file("/l/liba.so", &elf.build());
    for interpreter in interpreters {
        tree.file(interpreter, b"");
    }
    let found = Finder::new(&tree, System::default(), Objects::default()).usual_interpreter("/l/liba.so".as_ref());
    found.map(|path: PathBuf| path.to_str().unwrap().to_owned())
}

#[test]
fn a_library_gets_the_interpreter_of_its_machine_that_is_there() {
    let elf = || library().needs("libc.so.6");
    assert_eq!(usual(elf(), &[GLIBC, MUSL]).as_deref(), Some(GLIBC));
    assert_eq!(usual(elf(), &[MUSL]).as_deref(), Some(MUSL));
    assert_eq!(usual(elf(), &[]).as_deref(), Some(GLIBC), "the likeliest, to be named as missing");
    assert_eq!(usual(library().needs("libc.so"), &[GLIBC, MUSL]).as_deref(), Some(MUSL));
    assert_eq!(usual(library().needs("libc.so.7"), &[GLIBC, RTLD]).as_deref(), Some(RTLD));
    assert_eq!(usual(elf().osabi(9), &[GLIBC, RTLD]).as_deref(), Some(RTLD));
    assert_eq!(
        usual(elf().machine(Machine::I386), &[GLIBC, "/lib/ld-linux.so.2"]).as_deref(),
        Some("/lib/ld-linux.so.2")
    );
    assert_eq!(usual(elf().machine(Machine::AARCH64), &[GLIBC]).as_deref(), Some("/lib/ld-linux-aarch64.so.1"));
    let mips = Machine { number: 8, wide: false, big_endian: true };
    assert_eq!(usual(elf().machine(mips), &[GLIBC]).as_deref(), Some("/lib/ld.so.1"));
}

#[test]
fn what_names_an_interpreter_or_needs_nothing_gets_none() {
    assert_eq!(usual(program(MUSL).needs("libc.so.6"), &[GLIBC, MUSL]), None);
    assert_eq!(usual(library(), &[GLIBC]), None);
    let mut tree = MemTree::new();
    tree.special("/fifo", Kind::Fifo).file("/text", b"text");
    let mut finder = Finder::new(&tree, System::default(), Objects::default());
    assert_eq!((finder.usual_interpreter("/fifo".as_ref()), finder.usual_interpreter("/text".as_ref())), (None, None));
}

#[test]
fn what_libc_loads_by_itself_can_be_left_out() {
    let mut world = World::new(GLIBC, program(GLIBC).needs("libc.so.6").symbol("pthread_exit"))
        .libraries(&["/lib64/libc.so.6", "/lib64/libgcc_s.so.1"]);
    assert_eq!(world.found(), ["/lib64/libc.so.6", "/lib64/libgcc_s.so.1"]);
    assert!(world.find().uses.is_some());
    world.request.implied = false;
    assert_eq!(world.found(), ["/lib64/libc.so.6"]);
    assert_eq!(world.find().uses, None);
}
