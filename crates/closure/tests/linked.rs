//! One set of files a rule, made by the system's linker, and the real loader asked for the same.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "linked/cache.rs"]
mod cache;
#[path = "linked/glibc.rs"]
mod glibc;
#[path = "linked/many.rs"]
mod many;
#[path = "linked/musl.rs"]
mod musl;
#[path = "linked/other.rs"]
mod other;
#[path = "linked/secure.rs"]
mod secure;
#[path = "linked/set.rs"]
mod set;
