//! Inspects the host, applies a plan, supervises, tears down.

pub mod doctor;
pub mod exec;
pub mod inspect;
pub mod life;
pub mod refresh;
pub mod run;
pub mod stale;
pub mod start;
pub mod usage;

// What engines share.
mod apply;
mod claim;
mod command;
mod environment;
mod handed;
mod journal;
mod look;
mod os;
mod pidfile;
mod reloaded;
mod state;
mod supervise;
mod teardown;

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "freebsd")]
use freebsd as system;
#[cfg(target_os = "linux")]
use linux as system;
