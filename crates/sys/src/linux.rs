//! Linux.

pub use crate::both::exec;
#[cfg(any(test, target_env = "musl"))]
mod errno;
#[cfg(any(test, target_env = "musl"))]
pub mod heap;
pub mod keyring;
pub mod landlock;
pub mod memory;
pub mod mount;
pub mod net;
pub mod process;
pub mod seccomp;
pub mod signal;
#[cfg(target_env = "musl")]
mod strerror;
pub mod user_namespace;
