//! FreeBSD.

pub use crate::both::exec;
pub mod devfs;
pub mod jail;
pub mod kinfo;
pub mod kqueue;
pub mod login;
pub mod mount;
pub mod process;
pub mod rctl;
pub mod signal;
pub mod sysctl;
