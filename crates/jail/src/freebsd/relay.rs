//! syslog(3) inside: the messages of the jail's own socket, handed on to the host's syslogd(8).
//!
//! No mount shows a single socket before FreeBSD 16, and syslogd makes another one whenever it starts: it is looked up anew for
//! each message.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use thinjail_plan::path::HostPath;

use crate::run::RunError;

/// The longest message that syslogd(8) reads.
const LONGEST: usize = 8192;
/// Messages that are handed on before the jail itself is looked after again.
const AT_ONCE: usize = 64;
/// How often, and how long in between, a message is offered to a syslogd that is busy.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_millis(1);

/// Both ends.
#[derive(Debug)]
pub(super) struct Relay {
    inside: UnixDatagram,
    outside: UnixDatagram,
    to: HostPath,
}

impl Relay {
    /// From the jail's socket to the host's.
    pub(super) fn new((inside, to): (UnixDatagram, HostPath)) -> Result<Self, RunError> {
        let outside = UnixDatagram::unbound().and_then(|outside| outside.set_nonblocking(true).map(|()| outside));
        let outside = outside.map_err(|cause| RunError::setup(format!("make a socket to {to}"), cause))?;
        Ok(Self { inside, outside, to })
    }

    /// What is waited for: that there is something to hand on.
    pub(super) fn inside(&self) -> i32 {
        self.inside.as_raw_fd()
    }

    /// What nobody else needs.
    pub(super) fn descriptors(&self) -> [i32; 2] {
        [self.inside.as_raw_fd(), self.outside.as_raw_fd()]
    }

    /// Hands on what is there. A message that the host does not take is lost, as it is to whoever calls syslog(3) on the host.
    pub(super) fn hand_on(&self) {
        let mut message = vec![0; LONGEST];
        for _ in 0..AT_ONCE {
            match self.inside.recv(&mut message) {
                Ok(length) => self.send(&message[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn send(&self, message: &[u8]) {
        for _ in 0..TRIES {
            match self.outside.send_to(message, self.to.as_str()) {
                // ENOBUFS has no word of its own in std.
                Err(error) if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::NOBUFS) => {
                    std::thread::sleep(PAUSE);
                }
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_reach_whoever_has_the_hosts_socket_now() -> io::Result<()> {
        let dir = std::env::temp_dir().join(format!("thinjail-relay-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let (inside, outside) = (dir.join("inside"), dir.join("outside"));
        let to = HostPath::from_path(&outside).map_err(io::Error::other)?;
        let socket = UnixDatagram::bind(&inside)?;
        socket.set_nonblocking(true)?;
        let relay = Relay::new((socket, to)).map_err(|error| io::Error::other(error.to_string()))?;
        let program = UnixDatagram::unbound()?;
        let mut heard = [0; 64];
        for round in [&b"first"[..], b"second"] {
            let syslogd = UnixDatagram::bind(&outside)?;
            program.send_to(round, &inside)?;
            relay.hand_on();
            let length = syslogd.recv(&mut heard)?;
            assert_eq!(&heard[..length], round);
            std::fs::remove_file(&outside)?;
            // Nobody is there: it is lost, and that is all.
            program.send_to(b"lost", &inside)?;
            relay.hand_on();
        }
        std::fs::remove_dir_all(&dir)
    }
}
