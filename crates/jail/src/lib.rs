//! Inspects the host, applies a plan, supervises, tears down.

pub mod inspect;
pub mod run;

// What engines share. It is compiled and tested on FreeBSD too, whose engine does not use it yet.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod apply;
#[allow(dead_code, reason = "what reads it comes with the state directory")]
mod journal;
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod look;
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod os;
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod pidfile;
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod supervise;
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod teardown;

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "freebsd")]
use freebsd as system;
#[cfg(target_os = "linux")]
use linux as system;
