//! Real daemons, as Debian's packages ship them, by the profiles that we ship, spoken to by their real clients.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod dns;
mod java;
mod memcached;
mod nginx;
mod postgresql;
mod redis;
mod sftp;
mod web;

use std::fs;

/// The pid in a pidfile.
fn pid_in(pidfile: &str) -> Option<i32> {
    fs::read_to_string(pidfile).ok()?.trim().parse().ok()
}

/// The uid of a user of this host.
fn uid_of(user: &str) -> u32 {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with(&format!("{user}:"))).unwrap();
    line.split(':').nth(2).unwrap().parse().unwrap()
}
