//! What only FreeBSD has: jail(2)'s parameters, devfs(5), login classes, rctl(8), guardians, and the base system's daemons.
#![cfg(target_os = "freebsd")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod adopt;
mod article;
mod daemons;
mod guardian;
mod hooks;
mod identity;
mod limits;
mod log;
mod mounts;
mod params;
mod rc_d;
mod rc_subr_jail;

use std::path::PathBuf;

use thinjail_tests::jail::{Running, thinjail};
use thinjail_tests::temp::TempDir;

/// A script that says that it is up and stays until it is stopped.
const STAY: &str = "echo ready; while :; do sleep 0.05; done";

/// A profile of that name that runs a script by sh(1), and the directory that it is in. The name is the jail's.
fn profile(temp: &TempDir, name: &str, script: &str, more: &str) -> PathBuf {
    let head = format!("command = [\"/bin/sh\", \"-c\", \"{script}\"]\nprograms = [\"sleep\"]\n");
    let user = if more.contains("user =") { "" } else { "user = \"root\"\n" };
    temp.profile(name, &format!("{head}{user}{more}"))
}

/// Runs a profile that stays, and waits until it is up.
#[track_caller]
fn up(temp: &TempDir, name: &str, more: &str) -> Running {
    let profiles = profile(temp, name, STAY, more);
    let mut jail = thinjail(["run", name]).profiles(&profiles).spawn();
    jail.wait_for_stdout("ready\n");
    jail
}
