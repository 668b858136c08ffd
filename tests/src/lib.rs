//! System tests: what they share. The tests themselves are in `tests/`.
//!
//! A helper here panics where it can't do its part: it runs in tests only, and a test that could not be set up has failed.
#![expect(clippy::panic, clippy::expect_used, reason = "a test that can't be set up fails, with the reason")]

pub mod alone;
pub mod binary;
#[cfg(target_os = "linux")]
pub mod calls;
pub mod client;
pub mod figures;
#[cfg(target_os = "freebsd")]
pub mod freebsd;
#[cfg(target_os = "linux")]
pub mod host;
#[cfg(not(target_os = "linux"))]
#[path = "host_freebsd.rs"]
pub mod host;
pub mod inmate;
pub mod jail;
#[cfg(target_os = "linux")]
pub mod probe;
#[cfg(not(target_os = "linux"))]
#[path = "probe_unsupported.rs"]
pub mod probe;
#[cfg(target_os = "linux")]
pub mod process;
#[cfg(not(target_os = "linux"))]
#[path = "process_freebsd.rs"]
pub mod process;
pub mod profiles;
pub mod restore;
pub mod skip;
pub mod temp;
#[cfg(target_os = "linux")]
pub mod terminal;
pub mod tiny;
#[cfg(target_os = "linux")]
pub mod user;
pub mod wait;
#[cfg(target_os = "linux")]
pub mod walk;
