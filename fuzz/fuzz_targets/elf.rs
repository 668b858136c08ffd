//! Any bytes as an ELF file: what is read of it, and what its symbols and data tell.
#![no_main]

use std::io;
use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use thinjail_closure::elf::Object;
use thinjail_closure::tree::{MemTree, ReadAt, Tree};
use thinjail_fuzz::{Bytes, bounded};

fuzz_target!(|data: &[u8]| {
    let mut tree = MemTree::new();
    tree.file("/x", data);
    // 64 KiB is what is read of names at once, in two buffers.
    bounded(data.len(), 256 << 10, 64, || {
        if let Ok(object) = Object::parse(&Bytes(data)) {
            let open = || -> io::Result<Rc<dyn ReadAt>> { tree.open("/x".as_ref()) };
            object.functions(open);
            object.paths(open);
        }
    });
});
