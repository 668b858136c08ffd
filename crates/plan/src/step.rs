//! The verbs of a plan. Few, and every system does each of them by its own calls.

use serde::{Deserialize, Serialize};
use thinjail_closure::tree::{FileId, Kind};

use crate::path::{HostPath, RootPath};

/// A file or directory of the host, named once and pinned: apply opens `path` without following any link and compares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Path without any link in it.
    pub path: HostPath,
    /// Which file was seen there.
    pub id: Option<FileId>,
    /// Its type.
    pub kind: Kind,
}

/// What the jail may do with a mount. No mount honours set-id bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// May be written.
    pub write: bool,
    /// Programs on it may be executed.
    pub exec: bool,
    /// Devices on it work.
    pub dev: bool,
}

/// What is put into a file that we make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Text of ours.
    Text(String),
    /// Bytes of ours, such as ld.so.cache.
    Bytes(#[serde(with = "hex")] Vec<u8>),
    /// A copy of a host file, where the system can't mount one (FreeBSD below 14).
    Copy(Source),
}

/// What a devfs(5) shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Devfs {
    /// These and nothing else, by devfs(8)'s patterns: a ruleset of the jail's own.
    Only(Vec<String>),
    /// What a ruleset of the host's shows.
    Ruleset(u16),
}

/// How much of proc(5) is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcView {
    /// The descriptors of whoever looks: fdescfs(5). FreeBSD.
    Descriptors,
    /// The jail's processes and nothing else (`subset=pid`).
    Pid,
    /// All of it, read-only, with what tells of the host masked.
    Full,
}

/// One thing to do.
///
/// A step that mounts (`Bind`, `Tmpfs`, `Devices`, `Proc`) makes its own mount point, a directory or an empty file, where
/// the place is in memory of ours; below a directory of the host it is there already, which `resolve` has seen to. The
/// directories on the way have `MakeDir` steps of their own, parents first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Step {
    /// A directory of the host: made if it is not there, by mkdirat(2) and fchown(2) on the descriptor.
    MakeHostDir {
        /// Where.
        path: HostPath,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
        /// Stays after a stop (it holds data); else it is removed by rmdir(2) if it is empty.
        keep: bool,
    },
    /// A group of processes with limits, made in `parent` under `name` and the supervisor's pid; cgroups(7). Linux.
    MakeCgroup {
        /// Where: a directory of a cgroup file system.
        parent: HostPath,
        /// Its name up to the last dot.
        name: String,
        /// Which controllers have to be enabled in `parent`; none for version 1, where they always are.
        enable: Vec<String>,
        /// What is written into which of its files.
        settings: Vec<(String, String)>,
    },
    /// A file or directory of the host that may be used where it is; landlock(7). Linux.
    Allow {
        /// What. Without an id it is a file of the system's, by its path.
        source: Source,
        /// What the program may do with it.
        access: Access,
    },
    /// A directory inside.
    MakeDir {
        /// Where.
        at: RootPath,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// A file inside, made by us.
    PutFile {
        /// Where.
        at: RootPath,
        /// What is in it.
        content: Content,
        /// Permission bits.
        mode: u32,
        /// Owner: root, but for the copy of a file that belongs to someone.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// A symbolic link inside.
    Symlink {
        /// Where.
        at: RootPath,
        /// What it says.
        to: String,
    },
    /// A socket inside, which the supervisor listens to: everybody in the jail may write to it.
    Socket {
        /// Where.
        at: RootPath,
    },
    /// A file or directory of the host, at a place inside; with all that is mounted below it.
    Bind {
        /// What.
        source: Source,
        /// Where.
        at: RootPath,
        /// What the jail may do with it.
        access: Access,
    },
    /// An empty file system in memory.
    Tmpfs {
        /// Where; `/` is the jail's root itself.
        at: RootPath,
        /// Limit in bytes.
        size: u64,
        /// Permission bits of its root.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
        /// What the jail may do with it. For the root: after everything is in place.
        access: Access,
    },
    /// Device nodes: on Linux each by a bind, on FreeBSD a devfs.
    Devices {
        /// Where: `/dev`.
        at: RootPath,
        /// The host's devices, by their path there.
        nodes: Vec<Source>,
        /// Links beside them: name and what it says.
        links: Vec<(String, String)>,
        /// On FreeBSD.
        devfs: Option<Devfs>,
    },
    /// A socket for syslog(3), whose messages the supervisor hands on to the one of the host. FreeBSD.
    LogSocket {
        /// Where.
        at: RootPath,
        /// The host's.
        to: HostPath,
    },
    /// proc(5), read-only.
    Proc {
        /// Where.
        at: RootPath,
        /// How much of it.
        view: ProcView,
    },
    /// The confinement itself.
    Confine(Confine),
}

/// What confines the processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confine {
    /// namespaces(7).
    Linux {
        /// Names in unshare(1)'s spelling, sorted: ipc, mount, net, pid, uts.
        namespaces: Vec<String>,
        /// sethostname(2) inside; none keeps the host's.
        hostname: Option<String>,
    },
    /// landlock(7) alone: the host's own tree, of which only what is allowed may be opened.
    Landlock,
    /// jail(2).
    FreeBsd {
        /// Parameters by name, sorted; values as jail(8) takes them, "" for a boolean that is set.
        params: Vec<(String, String)>,
        /// jail(8)'s exec.* hooks by name, in its order, and what sh(1) is to do.
        #[serde(default)]
        hooks: Vec<(String, String)>,
    },
}

/// Why a step is there; `explain` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// What to do.
    #[serde(flatten)]
    pub step: Step,
    /// Why, as a lowercase fragment: "library libz.so.1, needed by /usr/sbin/nginx, found by ld.so.cache".
    pub why: String,
}

mod hex {
    //! Bytes as a string of hexadecimal digits.
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            text.push_str(&format!("{byte:02x}"));
        }
        to.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        if !text.is_ascii() || text.len() % 2 != 0 {
            return Err(D::Error::custom("not a string of hexadecimal digits"));
        }
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).map_err(D::Error::custom))
            .collect()
    }
}
