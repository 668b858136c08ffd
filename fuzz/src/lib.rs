//! What the fuzz targets share: memory that is bounded by the input, and a tree that is watched.

use std::alloc::System;
use std::io;
use std::sync::Once;

use cap::Cap;
use thinjail_closure::tree::ReadAt;

#[path = "../../crates/closure/tests/rules/elf_file.rs"]
#[allow(dead_code, missing_docs, reason = "the tests use more of it")]
mod elf_file;
mod input;
mod world;

pub use input::Input;
pub use world::{Watched, World};

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// Runs `work`, which may have no more memory at a time than `fixed` bytes and `per_byte` for each of `len` bytes of input.
/// What wants more dies, and libFuzzer keeps the input.
pub fn bounded<T>(len: usize, fixed: usize, per_byte: usize, work: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let tell = std::panic::take_hook();
        // What a panic says takes memory, too.
        std::panic::set_hook(Box::new(move |panic| {
            MEMORY.set_limit(usize::MAX).ok();
            tell(panic);
        }));
    });
    let limit = MEMORY.allocated() + fixed + per_byte * len;
    MEMORY.set_limit(limit).ok();
    let done = work();
    MEMORY.set_limit(usize::MAX).ok();
    done
}

/// Bytes as a file.
#[derive(Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl ReadAt for Bytes<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let found = start.checked_add(buf.len()).and_then(|end| self.0.get(start..end));
        buf.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A program of musl that needs a library, its interpreter's path, and that interpreter.
#[must_use]
pub fn musl_program() -> (Vec<u8>, &'static str, Vec<u8>) {
    let interpreter = "/lib/ld-musl-x86_64.so.1";
    (elf_file::program(interpreter).needs("liba.so").build(), interpreter, elf_file::library().build())
}

/// The same of glibc, with a library that stands for the interpreter and any other.
#[must_use]
pub fn glibc_program() -> (Vec<u8>, &'static str, Vec<u8>) {
    let interpreter = "/lib64/ld-linux-x86-64.so.2";
    (elf_file::program(interpreter).needs("libnone.so").build(), interpreter, elf_file::library().build())
}

/// A library with a note of the owner `FDO` that has this text in it.
#[must_use]
pub fn noted(json: &str) -> Vec<u8> {
    elf_file::library().note(json).build()
}

/// A library whose segment of notes are these bytes.
#[must_use]
pub fn with_notes(notes: &[u8]) -> Vec<u8> {
    // The note that is made is longer than the bytes by its header, which they overwrite.
    let mut file = elf_file::library().note(&"x".repeat(notes.len())).build();
    let at = file.len().saturating_sub(16 + notes.len().next_multiple_of(4));
    if let Some(place) = file.get_mut(at..at + notes.len()) {
        place.copy_from_slice(notes);
    }
    file
}
