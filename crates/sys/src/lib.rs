//! One safe function per system call that no well-kept crate wraps: the only unsafe code of the project.
//!
//! Each function keeps the system call's name and argument order. thinjail never starts a thread, and what is here
//! relies on that: after [`linux::process::clone3`] the child goes on with the whole program.

pub mod both;
#[cfg(target_os = "freebsd")]
pub mod freebsd;
#[cfg(target_os = "linux")]
pub mod linux;
