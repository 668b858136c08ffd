//! Jails as services of an init system that really runs: enabled, started, asked, reloaded, brought back after a crash, stopped
//! and disabled by its own commands, with Debian's nginx and redis. `cargo xtask init test` boots sysvinit, OpenRC and runit in
//! namespaces and systemd in the virtual machine, and says in `THINJAIL_INIT` which one it is.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod adopt;
mod daemon;
mod etc;
mod life;
mod refusals;
mod system;
