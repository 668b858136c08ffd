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

use thinjail_plan::plan::{Network, Syscalls};
use thinjail_tests::jail::{Running, thinjail};
use thinjail_tests::{need, profiles, skip};

/// Every process of the jail is under the filter of system calls and can gain no privilege.
#[track_caller]
fn assert_filtered(jail: &Running) {
    let inside = jail.inside();
    // The first is thinjail's own init, which is not the daemon's.
    assert!(inside.len() > 1, "{inside:?}");
    let mut looked_at = 0;
    for process in &inside[1..] {
        let said = [process.field("Seccomp"), process.field("NoNewPrivs")];
        // A worker may end between the two looks; of a zombie the kernel still tells.
        if !process.runs() {
            continue;
        }
        assert_eq!(said, [Some("2".to_owned()), Some("1".to_owned())], "{process:?}");
        looked_at += 1;
    }
    assert!(looked_at > 0, "{inside:?}");
}

#[test]
fn every_shipped_profile_runs_under_the_default_filter_and_landlock() {
    need!(skip::root());
    let shipped = profiles::shipped();
    let facts: serde_json::Value =
        serde_json::from_str(&thinjail(["facts", "--", "/bin/sh"]).run().expect_code(0).stdout).unwrap();
    for (name, _) in profiles::ALL {
        let planned = thinjail(["plan", "--json", name]).profiles(&shipped.dir).run();
        // Of what is not installed here, and of those that are to be copied, there is no plan.
        let Ok(plan) = serde_json::from_str::<thinjail_plan::plan::Plan>(&planned.stdout) else { continue };
        assert_eq!(plan.exec.syscalls, Syscalls::default(), "{name}");
        let kept = plan.exec.landlock.own_abstract_sockets || plan.exec.network == Network::None;
        assert!(kept || facts["landlock"].as_u64().unwrap() < 6, "{name}");
    }
}

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
