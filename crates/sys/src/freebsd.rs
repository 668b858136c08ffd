//! FreeBSD.

pub mod sysctl;
