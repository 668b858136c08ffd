//! A service manager for one jail, on Linux: started again, ready when it says so, its words kept.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod jail;
mod log;
mod ready;
mod real;
mod restart;
mod verbs;
