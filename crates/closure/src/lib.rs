//! Which files does this program need to start?
//!
//! The *closure* of a program is the program itself, its *interpreter* (the run-time linker named by `PT_INTERP`), and
//! every library that the interpreter would load before `main`, found by the interpreter's own rules: ld.so(8) for
//! glibc, rtld(1) for FreeBSD. Nothing is ever executed, and files are read only through a [`tree::Tree`].
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod closure;
pub mod elf;
mod find;
pub mod hints;
pub mod machine;
pub mod script;
mod search;
pub mod tokens;
pub mod tree;
mod walk;
