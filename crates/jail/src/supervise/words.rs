//! What a daemon says of itself: sd_notify(3) to a socket, or s6's newline to a descriptor. And the same, in the host's words, to
//! whoever started us and wants to know.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, recvmsg, sendto,
    socket_with,
};

/// Where it is heard.
#[derive(Debug)]
pub(crate) enum Words {
    /// A datagram for each message.
    Socket(OwnedFd),
    /// A newline, and then the end.
    Pipe(OwnedFd),
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// It does what it is for.
    Ready,
    /// It reads its configuration anew, and will say when it is ready again.
    Reloading,
    /// It is about to end.
    Stopping,
    /// What it does, for people.
    Status(String),
    /// Another process is the main one; its pid in the jail.
    MainPid(i32),
    /// Nothing more will be said.
    End,
}

/// Bytes of a message; systemd takes as many.
const MESSAGE: usize = 4096;
/// Characters of a status that are kept.
const STATUS: usize = 200;

impl Words {
    /// To wait upon.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Socket(fd) | Self::Pipe(fd) => fd.as_fd(),
        }
    }

    /// What was said, if anything was. Whoever is inside may say anything: it is words about the jail, and nothing else.
    pub(crate) fn read(&self) -> Vec<Word> {
        let mut bytes = [0; MESSAGE];
        match self {
            Self::Socket(socket) => {
                // Descriptors may come along, to be kept, or as a sign that all before them was heard: each is closed at once.
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
                let mut control = RecvAncillaryBuffer::new(&mut space);
                let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
                match recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags) {
                    Ok(received) => parse(&bytes[..received.bytes]),
                    Err(_) => Vec::new(),
                }
            }
            Self::Pipe(pipe) => match rustix::io::read(pipe, &mut bytes) {
                Ok(0) => vec![Word::End],
                Ok(count) if bytes[..count].contains(&b'\n') => vec![Word::Ready, Word::End],
                Ok(_) | Err(Errno::INTR | Errno::AGAIN) => Vec::new(),
                Err(_) => vec![Word::End],
            },
        }
    }
}

fn parse(message: &[u8]) -> Vec<Word> {
    let text = String::from_utf8_lossy(message);
    let word = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some(match (name, value) {
            ("READY", "1") => Word::Ready,
            ("RELOADING", "1") => Word::Reloading,
            ("STOPPING", "1") => Word::Stopping,
            ("STATUS", text) => Word::Status(text.chars().filter(|c| !c.is_control()).take(STATUS).collect()),
            ("MAINPID", pid) => Word::MainPid(pid.parse().ok().filter(|pid| *pid > 1)?),
            _ => return None,
        })
    };
    text.lines().filter_map(word).collect()
}

/// Who has started us, and waits for a word by sd_notify(3). The pid that it knows is ours, and stays so: no pid of the jail, nor of
/// one of its processes, is handed on.
#[derive(Debug)]
pub(crate) struct Caller {
    socket: Option<(OwnedFd, SocketAddrUnix)>,
}

impl Caller {
    /// As the environment names it.
    pub(crate) fn of_environment() -> Self {
        let name = std::env::var_os("NOTIFY_SOCKET").unwrap_or_default();
        let bytes = name.as_encoded_bytes();
        let address = match bytes.split_first() {
            Some((b'/', _)) => SocketAddrUnix::new(bytes).ok(),
            Some((b'@', name)) => crate::state::abstract_address(name),
            _ => None,
        };
        let socket = address.and_then(|address| {
            let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
            Some((socket, address))
        });
        Self { socket }
    }

    /// Nobody.
    pub(crate) fn nobody() -> Self {
        Self { socket: None }
    }

    /// Says it. Whoever does not listen is not waited for.
    pub(crate) fn say(&self, text: &str) {
        if let Some((socket, address)) = &self.socket {
            let _ = sendto(socket, text.as_bytes(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL, address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_message_what_is_known_is_taken_and_nothing_else() {
        let said =
            b"STATUS=Processing\x1b[31m requests\nREADY=1\nMAINPID=17\nFDSTORE=1\nREADY=2\n\xff\nMAINPID=1\nMAINPID=x";
        let status = Word::Status("Processing[31m requests".into());
        assert_eq!(parse(said), [status, Word::Ready, Word::MainPid(17)]);
        assert_eq!(parse(b"RELOADING=1\nMONOTONIC_USEC=5\nSTOPPING=1"), [Word::Reloading, Word::Stopping]);
        assert_eq!(parse(b""), []);
    }
}
