//! syslog(3), by its socket: a datagram a line.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, send, socket_with};

use crate::state::SYSLOG;

/// `LOG_NOTICE`, for what we say ourselves.
const NOTICE: u8 = 5;

/// The connection.
#[derive(Debug)]
pub(super) struct Syslog {
    name: String,
    facility: u8,
    priority: u8,
    socket: Option<OwnedFd>,
}

impl Syslog {
    /// With numbers as syslog.h has them. The socket is opened when there is something to say: syslogd may be started later.
    pub(super) fn new(name: &str, facility: u8, priority: u8) -> Self {
        Self { name: name.to_owned(), facility, priority, socket: None }
    }

    /// Sends whole lines.
    pub(super) fn write(&mut self, lines: &[u8], own: bool) -> io::Result<()> {
        let number = self.facility * 8 + if own { self.priority.min(NOTICE) } else { self.priority };
        let pid = rustix::process::getpid().as_raw_nonzero();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let head = format!("<{number}>{}[{pid}]: ", self.name);
            self.send(&[head.as_bytes(), line].concat())?;
        }
        Ok(())
    }

    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        // A syslogd that was started again has another socket at the same place.
        for again in [false, true] {
            if self.socket.is_none() || again {
                self.socket = Some(open()?);
            }
            let Some(socket) = &self.socket else { break };
            match send(socket, datagram, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(error) if again => return Err(error.into()),
                Err(_) => {}
            }
        }
        Err(io::ErrorKind::NotConnected.into())
    }
}

fn open() -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    connect(&socket, &SocketAddrUnix::new(SYSLOG)?)?;
    Ok(socket)
}
