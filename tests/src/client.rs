//! Clients of the daemons, and their ports.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::skip::Lack;

/// Runs a client to its end and hands over what it printed.
///
/// # Panics
///
/// If it fails; shows what it said.
#[track_caller]
pub fn ask(program: &Path, args: &[&str]) -> String {
    let asked = Command::new(program).args(args).stdin(Stdio::null()).output();
    let asked = asked.unwrap_or_else(|error| panic!("run {}: {error}", program.display()));
    let said = String::from_utf8_lossy(&asked.stdout).into_owned();
    let complained = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.success(), "{} {args:?}: {}\n{said}{complained}", program.display(), asked.status);
    said
}

/// Whether something takes connections on this port of the loopback.
#[must_use]
pub fn listens(port: u16) -> bool {
    connect(port).is_some()
}

/// A connection to this port of the loopback, none if nobody takes it.
#[must_use]
pub fn connect(port: u16) -> Option<TcpStream> {
    let stream =
        TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    Some(stream)
}

/// Nobody has this port, so that what answers there is ours.
pub fn port_free(port: u16) -> Result<(), Lack> {
    if listens(port) { Err(Lack::new(format!("something of this machine listens on port {port}"))) } else { Ok(()) }
}
