//! Inspects the host, applies a plan, supervises, tears down.

pub mod inspect;
pub mod run;

// What engines share.
mod apply;
#[allow(dead_code, reason = "what reads it comes with the state directory")]
mod journal;
mod look;
mod os;
mod pidfile;
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
