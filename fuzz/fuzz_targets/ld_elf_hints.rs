//! Any bytes as /var/run/ld-elf.so.hints; what is read and written again is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thinjail_closure::hints::ld_elf_hints::{directories, write};
use thinjail_fuzz::bounded;

fuzz_target!(|data: &[u8]| {
    bounded(data.len(), 4096, 64, || {
        if let Some(list) = directories(data) {
            let parts: Vec<&str> = list.split(':').collect();
            assert_eq!(directories(&write(&parts, data[0] == 0x74)), Some(list));
        }
    });
});
