//! Any bytes as the notes of a library, and any text as the JSON in one of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thinjail_closure::elf::Object;
use thinjail_fuzz::{Bytes, bounded, noted, with_notes};

fuzz_target!(|data: &[u8]| {
    let files = [Some(with_notes(data)), std::str::from_utf8(data).ok().map(noted)];
    for file in files.into_iter().flatten() {
        bounded(data.len(), 64 << 10, 64, || {
            if let Ok(object) = Object::parse(&Bytes(&file)) {
                assert!(
                    object.dlopens.iter().flat_map(|one| &one.sonames).map(String::len).sum::<usize>() <= data.len()
                );
            }
        });
    }
});
