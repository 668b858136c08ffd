//! The reference decides, on FreeBSD: for every program of the system our list is the one that rtld(1) prints.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[cfg(target_os = "freebsd")]
#[path = "rtld/compare.rs"]
mod compare;
