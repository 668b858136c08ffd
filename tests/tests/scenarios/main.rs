//! The scenarios that mean the same on Linux and FreeBSD, run by the real engine on the real kernel of either.
//!
//! They use what both base systems have, sh(1), cat(1), echo(1), ls(1), sleep(1) and id(1), and a program of ours for the rest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod article;
mod beside;
mod data;
mod ends;
mod environment;
mod handed;
mod killed;
mod named;
mod refresh;

/// The shell, whose closure is all that a jail of it holds.
const SHELL: &str = "/bin/sh";

/// `thinjail run FLAGS -- /bin/sh -c SCRIPT`, run to its end.
fn sh(flags: &[&str], script: &str) -> thinjail_tests::jail::Finished {
    thinjail_tests::jail::thinjail(["run"]).args(flags).args(["--", SHELL, "-c", script]).run()
}
