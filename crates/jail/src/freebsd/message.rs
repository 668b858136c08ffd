//! What the child tells while it sets itself up: messages of a fixed size, through a pipe that execve(2) closes.

use rustix::io::Errno;
use thinjail_sys::freebsd::jail::ERRMSG_LEN;

/// Where the child is. The number goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// close_range(2).
    Descriptors,
    /// Default signals, session.
    Session,
    /// setusercontext(3).
    LoginClass,
    /// setrlimit(2); the index says which.
    Limit,
    /// jail_set(2); with the kernel's words.
    Jail,
    /// Supplementary groups, group, user.
    Ids,
    /// chdir(2).
    Chdir,
    /// execve(2).
    Exec,
}

const PHASES: [Phase; 8] = [
    Phase::Descriptors,
    Phase::Session,
    Phase::LoginClass,
    Phase::Limit,
    Phase::Jail,
    Phase::Ids,
    Phase::Chdir,
    Phase::Exec,
];

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// It is in its jail, which has this number.
    Attached {
        /// jail_set(2)'s.
        jid: i32,
    },
    /// execve(2) is next.
    Ready,
    /// It could not go on.
    Failed {
        /// Where.
        phase: Phase,
        /// Which one, where there are several.
        index: u32,
        /// What the kernel said.
        errno: Errno,
        /// In words, if it said any.
        words: Vec<u8>,
    },
}

/// Bytes of a message.
pub(super) const SIZE: usize = 12 + ERRMSG_LEN;

impl Message {
    /// On the wire.
    pub(super) fn to_bytes(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        match self {
            Self::Attached { jid } => {
                bytes[0] = 1;
                bytes[4..8].copy_from_slice(&jid.to_ne_bytes());
            }
            Self::Ready => bytes[0] = 2,
            Self::Failed { phase, index, errno, words } => {
                bytes[0] = 3;
                bytes[1] = *phase as u8;
                bytes[4..8].copy_from_slice(&index.to_ne_bytes());
                bytes[8..12].copy_from_slice(&errno.raw_os_error().to_ne_bytes());
                let count = words.len().min(ERRMSG_LEN);
                bytes[12..12 + count].copy_from_slice(&words[..count]);
            }
        }
        bytes
    }

    /// From the wire; none for what we never send.
    pub(super) fn from_bytes(bytes: &[u8; SIZE]) -> Option<Self> {
        let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        match bytes[0] {
            1 => Some(Self::Attached { jid: i32::from_ne_bytes(word(4)) }),
            2 => Some(Self::Ready),
            3 => Some(Self::Failed {
                phase: *PHASES.get(usize::from(bytes[1]))?,
                index: u32::from_ne_bytes(word(4)),
                errno: Errno::from_raw_os_error(i32::from_ne_bytes(word(8))),
                words: bytes[12..].split(|byte| *byte == 0).next().unwrap_or_default().to_vec(),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_comes_back_as_it_was() {
        let mut all = vec![Message::Attached { jid: 7 }, Message::Ready];
        for phase in PHASES {
            all.push(Message::Failed { phase, index: 7, errno: Errno::PERM, words: b"no".to_vec() });
            all.push(Message::Failed { phase, index: 0, errno: Errno::NOENT, words: vec![b'x'; ERRMSG_LEN] });
        }
        for message in all {
            assert_eq!(Message::from_bytes(&message.to_bytes()), Some(message));
        }
    }

    #[test]
    fn what_was_never_sent_is_nothing() {
        assert_eq!(Message::from_bytes(&[0; SIZE]), None);
        let mut bytes = Message::Ready.to_bytes();
        (bytes[0], bytes[1]) = (3, 99);
        assert_eq!(Message::from_bytes(&bytes), None);
    }
}
