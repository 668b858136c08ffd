//! What the child tells while it sets itself up: one fixed-size message, since between clone3(2) and execve(2) nothing is
//! allocated.

use rustix::io::Errno;

/// Where the child is. The number goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// PR_SET_DUMPABLE, PR_SET_PDEATHSIG.
    Guard,
    /// Hearing what to do.
    Plan,
    /// unshare(2).
    Namespaces,
    /// Making proc(5).
    Proc,
    /// Making every mount of the new namespace private.
    Private,
    /// Attaching the root.
    Attach,
    /// Attaching what waits for it; the index says which.
    Mount,
    /// pivot_root(2).
    Pivot,
    /// Letting go of the host's tree.
    Detach,
    /// sethostname(2).
    Hostname,
    /// Bringing up the loopback interface.
    Loopback,
    /// Starting the main process.
    Fork,
    /// Default signals, session, keyring.
    Session,
    /// setrlimit(2); the index says which.
    Limit,
    /// Supplementary groups, group, user.
    Ids,
    /// Capabilities.
    Capabilities,
    /// PR_SET_NO_NEW_PRIVS.
    NoNewPrivs,
    /// close_range(2).
    Descriptors,
    /// Entering a cgroup.
    Group,
    /// landlock_restrict_self(2).
    Landlock,
    /// seccomp(2).
    Filter,
    /// chdir(2).
    Chdir,
    /// execve(2).
    Exec,
}

const PHASES: [Phase; 23] = [
    Phase::Guard,
    Phase::Plan,
    Phase::Namespaces,
    Phase::Proc,
    Phase::Private,
    Phase::Attach,
    Phase::Mount,
    Phase::Pivot,
    Phase::Detach,
    Phase::Hostname,
    Phase::Loopback,
    Phase::Fork,
    Phase::Session,
    Phase::Limit,
    Phase::Ids,
    Phase::Capabilities,
    Phase::NoNewPrivs,
    Phase::Descriptors,
    Phase::Group,
    Phase::Landlock,
    Phase::Filter,
    Phase::Chdir,
    Phase::Exec,
];

/// Moments that are told, in CLOCK_MONOTONIC nanoseconds.
pub(super) const MARKS: usize = 6;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// The main process is about to call execve(2). Its sender is that process.
    Ready {
        /// When the child had its namespaces, was handed the root, had taken it, had its late mounts, began as main process, was
        /// ready.
        marks: [u64; MARKS],
    },
    /// It could not go on.
    Failed {
        /// Where.
        phase: Phase,
        /// Which one, where there are several.
        index: u32,
        /// What the kernel said.
        errno: Errno,
    },
    /// The main process has ended with this status of wait(2).
    Ended {
        /// The status.
        status: i32,
        /// Whether other processes are left, which end with the jail.
        left: bool,
    },
    /// The jail is made, and waits with its main process for the supervisor's word.
    Waiting,
    /// From the supervisor: what comes before the main process is done.
    Go,
    /// From the supervisor: the main process is pinned, its pid may be used again.
    Pinned,
    /// From the supervisor: who is the main process by now?
    Find {
        /// Its pid inside; 0 is whom the pidfile inside names.
        pid: i32,
        /// Where that can't be read, or there is none: whether it is the only one that is left.
        guess: bool,
    },
    /// The answer, with a descriptor of that process where there is one that runs and is a child of pid 1.
    Main {
        /// Whether there is.
        found: bool,
    },
    /// From the supervisor: it has ended with its main process.
    End,
}

/// Bytes of a message.
pub(super) const SIZE: usize = 12 + 8 * MARKS;

impl Message {
    /// On the wire.
    pub(super) fn to_bytes(self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        match self {
            Self::Ready { marks } => {
                bytes[0] = 1;
                for (to, mark) in bytes[12..].chunks_exact_mut(8).zip(marks) {
                    to.copy_from_slice(&mark.to_ne_bytes());
                }
            }
            Self::Failed { phase, index, errno } => {
                bytes[0] = 2;
                bytes[1] = phase as u8;
                bytes[4..8].copy_from_slice(&index.to_ne_bytes());
                bytes[8..12].copy_from_slice(&errno.raw_os_error().to_ne_bytes());
            }
            Self::Ended { status, left } => {
                bytes[0] = 3;
                bytes[1] = u8::from(left);
                bytes[8..12].copy_from_slice(&status.to_ne_bytes());
            }
            Self::Pinned => bytes[0] = 4,
            Self::Waiting => bytes[0] = 5,
            Self::Go => bytes[0] = 6,
            Self::Find { pid, guess } => {
                bytes[0] = 7;
                bytes[1] = u8::from(guess);
                bytes[4..8].copy_from_slice(&pid.to_ne_bytes());
            }
            Self::Main { found } => (bytes[0], bytes[1]) = (8, u8::from(found)),
            Self::End => bytes[0] = 9,
        }
        bytes
    }

    /// From the wire; none for what we never send.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SIZE] = bytes.try_into().ok()?;
        let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        match bytes[0] {
            1 => {
                let mut marks = [0; MARKS];
                for (mark, from) in marks.iter_mut().zip(bytes[12..].chunks_exact(8)) {
                    *mark = u64::from_ne_bytes(from.try_into().ok()?);
                }
                Some(Self::Ready { marks })
            }
            2 => Some(Self::Failed {
                phase: *PHASES.get(usize::from(bytes[1]))?,
                index: u32::from_ne_bytes(word(4)),
                errno: Errno::from_raw_os_error(i32::from_ne_bytes(word(8))),
            }),
            3 => Some(Self::Ended { status: i32::from_ne_bytes(word(8)), left: bytes[1] != 0 }),
            4 => Some(Self::Pinned),
            5 => Some(Self::Waiting),
            6 => Some(Self::Go),
            7 => Some(Self::Find { pid: i32::from_ne_bytes(word(4)), guess: bytes[1] != 0 }),
            8 => Some(Self::Main { found: bytes[1] != 0 }),
            9 => Some(Self::End),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_comes_back_as_it_was() {
        let mut all = vec![
            Message::Ready { marks: [1, 2, 3, 4, 5, u64::MAX] },
            Message::Ended { status: -1, left: true },
            Message::Ended { status: 0x0700, left: false },
            Message::Pinned,
            Message::Waiting,
            Message::Go,
            Message::Find { pid: 70_000, guess: false },
            Message::Find { pid: 0, guess: true },
            Message::Main { found: true },
            Message::Main { found: false },
            Message::End,
        ];
        for phase in PHASES {
            all.push(Message::Failed { phase, index: 7, errno: Errno::PERM });
        }
        for message in all {
            assert_eq!(Message::from_bytes(&message.to_bytes()), Some(message));
        }
    }

    #[test]
    fn what_was_never_sent_is_nothing() {
        assert_eq!(Message::from_bytes(&[0; SIZE]), None);
        assert_eq!(Message::from_bytes(&[2, 99, 0, 0]), None);
        let mut bytes = Message::Pinned.to_bytes();
        bytes[0] = 2;
        bytes[1] = 200;
        assert_eq!(Message::from_bytes(&bytes), None);
    }
}
