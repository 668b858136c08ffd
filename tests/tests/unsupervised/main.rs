//! `supervisor = false`: thinjail becomes the daemon, under the pid that an init has started.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod attack;
mod daemons;
mod ends;
mod init;
mod more;
mod ordinary;

use thinjail_tests::jail::thinjail;
use thinjail_tests::skip;

const PERL: &str = "/usr/bin/perl";

/// Which ABI of Landlock this kernel has, as the facts say.
fn landlock() -> u64 {
    let facts = thinjail(["facts", "--", PERL]).run();
    let facts: serde_json::Value = serde_json::from_str(&facts.expect_code(0).stdout).unwrap();
    facts["landlock"].as_u64().unwrap()
}

/// Root's jails need a kernel in which signals end at the border.
fn for_root() -> Result<(), skip::Lack> {
    skip::namespaces()?;
    match landlock() {
        6.. => Ok(()),
        abi => Err(skip::Lack::new(format!("Landlock 6, the kernel has {abi}"))),
    }
}

/// Any others' need one in which nobody of the same user is traced.
fn for_others() -> Result<(), skip::Lack> {
    skip::namespaces()?;
    if landlock() > 0 { Ok(()) } else { Err(skip::Lack::new("Landlock")) }
}
