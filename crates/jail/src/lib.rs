//! Inspects the host, applies a plan, supervises, tears down.

mod apply;
pub mod inspect;
mod os;
mod pidfile;
pub mod run;
mod supervise;

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "freebsd")]
use freebsd as system;
#[cfg(target_os = "linux")]
use linux as system;
