//! Linux.

pub use crate::both::exec;
pub mod keyring;
pub mod landlock;
pub mod memory;
pub mod mount;
pub mod net;
pub mod process;
pub mod seccomp;
pub mod signal;
pub mod user_namespace;
