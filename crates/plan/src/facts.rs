//! What is there. Gathered by `thinjail_jail::inspect`, or read from a file to resolve for another host.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thinjail_closure::closure::Closure;
use thinjail_closure::runtime::{Part, Runtime};
use thinjail_closure::tree::Resolved;

use crate::env_file::LineFault;
use crate::needs::ByNeed;
use crate::path::HostPath;

/// Which system a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SystemKind {
    /// Linux: namespaces.
    Linux,
    /// FreeBSD: jail(2).
    FreeBsd,
}

/// The system and what of its version decides something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum System {
    /// Linux.
    Linux {
        /// `uname -r`; only for the reader, never decided upon.
        release: String,
    },
    /// FreeBSD.
    FreeBsd {
        /// `kern.osreldate`, 1302001 for 13.2: below 1400000 a single-file nullfs mount panics the kernel.
        osreldate: u32,
    },
}

impl System {
    /// Without the version.
    #[must_use]
    pub fn kind(&self) -> SystemKind {
        match self {
            Self::Linux { .. } => SystemKind::Linux,
            Self::FreeBsd { .. } => SystemKind::FreeBsd,
        }
    }
}

/// What the spec makes us ask the host. Made by `wants`, a pure function; answered by `inspect`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Paths to follow to their end.
    pub paths: BTreeSet<HostPath>,
    /// Programs whose closure is wanted, as written: with a `/` a path, else a name to look up in `search_path`.
    pub programs: Vec<String>,
    /// `PATH` inside the jail: where programs without a `/` are looked for.
    pub search_path: Vec<HostPath>,
    /// `LD_LIBRARY_PATH` and the like inside the jail, which change what the loader finds.
    pub loader_env: BTreeMap<String, String>,
    /// Users, by name or number.
    pub users: BTreeSet<String>,
    /// Groups, by name or number.
    pub groups: BTreeSet<String>,
    /// Types of file systems whose mounts are wanted.
    pub file_systems: BTreeSet<String>,
    /// Controllers of cgroups(7): `memory`, `pids`, `cpu`.
    pub controllers: BTreeSet<String>,
    /// Further paths, of which the programs decide once they are known: [`ByNeed::paths`].
    pub by_need: Option<ByNeed>,
    /// The runtime that runs the first of the programs.
    pub runtime: Option<Runtime>,
    /// Files of variables.
    pub env_files: BTreeSet<HostPath>,
    /// Directories whose links are to be found.
    pub links: LinksAsked,
}

/// Which links are to be found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinksAsked {
    /// Below these.
    pub read: BTreeSet<HostPath>,
    /// Not in these, to which the program may write.
    pub write: BTreeSet<HostPath>,
    /// Also below the directories that they lead to.
    pub follow: bool,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathFact {
    /// Something.
    Found(Resolved),
    /// Nothing: this name, on the way there, does not exist. All before it is there and is no link, so what is to be
    /// made goes below `parent`.
    Missing {
        /// The first name that is not there.
        at: HostPath,
        /// The last directory that is there.
        parent: Box<Resolved>,
    },
    /// It can't be followed: permission, a loop of links, a link that another user controls.
    Refused {
        /// A lowercase fragment for the message.
        why: String,
    },
}

/// The closure of a program, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProgramFact {
    /// Its files.
    Closure(Closure),
    /// No such program.
    NotFound {
        /// A lowercase fragment for the message.
        why: String,
    },
    /// It is there, but can't be run: not an ELF file or a script, of another machine, unreadable.
    NotExecutable {
        /// A lowercase fragment for the message.
        why: String,
    },
}

/// What the runtime of a language says of itself. What is at each path is among the paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeFact {
    /// What it reads.
    Parts {
        /// The program that it runs, as written. The libraries of all objects in the parts are in its closure.
        program: String,
        /// Files and directories.
        parts: Vec<Part>,
    },
    /// There is no such runtime.
    Refused {
        /// A lowercase fragment for the message.
        why: String,
        /// What to do about it.
        help: String,
    },
}

impl RuntimeFact {
    /// What a program loads when it runs, because its runtime does.
    pub fn loads(&self, written: &str) -> impl Iterator<Item = &std::path::Path> {
        let parts = match self {
            Self::Parts { program, parts } if program == written => parts.as_slice(),
            Self::Parts { .. } | Self::Refused { .. } => &[],
        };
        parts.iter().filter(|part| !part.data).map(|part| part.path.as_path())
    }
}

/// The symbolic links below a directory that lead out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LinksFact {
    /// Also those below directories that others of them lead to, if they are to be followed.
    pub links: Vec<LinkFact>,
    /// Directories that were not entered, each with a lowercase fragment that says why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub closed: BTreeMap<HostPath, String>,
    /// Where the look was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LinksLimit>,
}

/// A figure that was reached while links were looked for, and in which directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinksLimit {
    /// So many names were looked at.
    Names(usize, HostPath),
    /// So many links lead out.
    Links(usize, HostPath),
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LinkFact {
    /// Where it stands.
    pub at: HostPath,
    /// What it says, from the root on.
    pub to: HostPath,
    /// Where it leads. What is not to be followed is refused before its end is looked at.
    pub way: PathFact,
}

/// What is in a file of variables: never a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnvFileFact {
    /// Variables.
    Names {
        /// Whether a user other than root and the caller could put another file in its place.
        loose: bool,
        /// As they stand there.
        names: Vec<String>,
    },
    /// A line that is none.
    Fault {
        /// As above.
        loose: bool,
        /// Which, and why.
        fault: LineFault,
    },
    /// It can't be read.
    Refused {
        /// As above.
        loose: bool,
        /// A lowercase fragment for the message.
        why: String,
    },
}

/// An entry of passwd(5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Numeric user id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// Supplementary groups by group(5), the primary one not among them, sorted by number.
    pub groups: Vec<Group>,
}

/// An entry of group(5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Group name.
    pub name: String,
    /// Numeric group id.
    pub gid: u32,
}

/// Where on this host a group for a jail would go that one of the controllers limits; cgroups(7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroup {
    /// `memory`, `pids`, `cpu`.
    pub controller: String,
    /// 1 or 2.
    pub version: u8,
    /// The directory to make it in.
    pub parent: HostPath,
}

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounted {
    /// Where.
    pub at: HostPath,
    /// Its type: `proc`, `sysfs`.
    pub file_system: String,
}

/// All that is known of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The system.
    pub system: System,
    /// Effective uid of the caller.
    pub caller: u32,
    /// Its effective group.
    #[serde(default)]
    pub caller_gid: u32,
    /// Its supplementary groups, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caller_groups: Vec<u32>,
    /// What is at each path asked for.
    pub paths: BTreeMap<HostPath, PathFact>,
    /// Each program asked for.
    pub programs: BTreeMap<String, ProgramFact>,
    /// Each user asked for; none where there is no such user.
    pub users: BTreeMap<String, Option<User>>,
    /// Each group asked for, and the primary groups of the users by number.
    pub groups: BTreeMap<String, Option<Group>>,
    /// Linux: which ABI of landlock(7) the kernel has; 0 is none.
    #[serde(default)]
    pub landlock: u32,
    /// The controllers asked for, as far as they are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cgroups: Vec<Cgroup>,
    /// The mounts of the types asked for, in the order in which they were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mounted>,
    /// The runtime asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<RuntimeFact>,
    /// The files of variables asked for, those of them that are there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_files: BTreeMap<HostPath, EnvFileFact>,
    /// The links of the directories asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<HostPath, LinksFact>,
}
