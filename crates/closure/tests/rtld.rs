//! The reference decides, on FreeBSD: for every program of the system our list is the one that rtld(1) prints.
#![allow(clippy::unwrap_used, clippy::panic)]

#[cfg(target_os = "freebsd")]
#[path = "rtld/compare.rs"]
mod compare;
