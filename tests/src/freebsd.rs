//! What FreeBSD's own commands say of jails and of the kernel.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use crate::skip::{Lack, program};

/// The parameters of a running jail, by jls(8); none if there is no such jail.
///
/// # Panics
///
/// If there is no jls(8).
#[must_use]
pub fn params(name: &str) -> Option<BTreeMap<String, String>> {
    let said = Command::new("jls").args(["-j", name, "-nq"]).output().expect("run jls(8)");
    let line = String::from_utf8_lossy(&said.stdout).into_owned();
    said.status.success().then(|| line.split_whitespace().map(pair).collect())
}

/// `ip4.addr=127.0.0.1`, or `nopersist`, which is a boolean that is off.
fn pair(word: &str) -> (String, String) {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    (name.to_owned(), value.trim_matches('"').to_owned())
}

/// Names of the jails that run.
///
/// # Panics
///
/// If there is no jls(8).
#[must_use]
pub fn jails() -> Vec<String> {
    let said = Command::new("jls").arg("name").output().expect("run jls(8)");
    String::from_utf8_lossy(&said.stdout).lines().map(|line| line.trim().to_owned()).collect()
}

/// Where something is mounted, with its type.
///
/// # Panics
///
/// If there is no mount(8).
#[must_use]
pub fn mounts() -> Vec<(PathBuf, String)> {
    let said = Command::new("mount").arg("-p").output().expect("run mount(8)");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let fields = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.filter(|fields| fields.len() > 2).map(|fields| (fields[1].into(), fields[2].to_owned())).collect()
}

/// A value of the kernel; none if it has no such.
#[must_use]
pub fn sysctl(name: &str) -> Option<String> {
    let said = Command::new("sysctl").args(["-n", name]).output().ok()?;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// The kernel knows this parameter of jails.
pub fn param(name: &str) -> Result<(), Lack> {
    program("sysctl")?;
    // A node has no value of its own, but a description.
    let known = Command::new("sysctl").args(["-Nq", &format!("security.jail.param.{name}")]).output();
    let known = known.is_ok_and(|said| !said.stdout.is_empty());
    if known { Ok(()) } else { Err(Lack::new(format!("this kernel has no jail parameter {name}"))) }
}

/// The kernel accounts for resources, which it does only if it was told so when it booted.
pub fn racct() -> Result<(), Lack> {
    match sysctl("kern.racct.enable").as_deref() {
        Some("1") => Ok(()),
        _ => Err(Lack::new("kern.racct.enable is not 1: no limits by rctl(8) here")),
    }
}
