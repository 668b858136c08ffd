//! What of a host's usual files a program will ask for, told before it runs: by the functions of glibc that its files
//! name, and by the paths that they name themselves. Any doubt is a yes.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

mod functions;
mod paths;

pub(crate) use functions::{Symbols, functions};
pub(crate) use paths::paths;

/// What the members of a closure may ask for beside their own files, each with the first member that shows it. What is
/// none is not asked for by any of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Uses {
    /// Names and addresses of hosts: getaddrinfo(3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<Use>,
    /// Names of services: getservbyname(3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Use>,
    /// Users and groups: getpwnam(3), initgroups(3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Use>,
    /// The time zone: localtime(3), syslog(3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Use>,
    /// Other programs, of which nothing is known here: execve(2), system(3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programs: Option<Use>,
    /// Anything: it loads more than its closure, as by dlopen(3), or can't be seen through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anything: Option<Use>,
}

/// Who uses something, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The path of the member.
    pub by: PathBuf,
    /// What it does: "calls getaddrinfo", "names /etc/hosts".
    pub does: String,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.by.display(), self.does)
    }
}

impl Uses {
    /// Takes in what is shown by the member at `by`, behind what is known.
    pub(crate) fn learn(&mut self, by: &Path, signs: &Signs) {
        for (what, sign) in Self::GROUPS.into_iter().zip(&signs.0) {
            if let (slot @ None, Some(sign)) = (what(self), sign) {
                *slot = Some(Use { by: by.into(), does: format!("{} {}", sign.verb, sign.object) });
            }
        }
    }

    /// Takes in what another program uses, behind what is known.
    pub fn join(&mut self, mut other: Self) {
        for group in Self::GROUPS {
            if let (slot @ None, more) = (group(self), group(&mut other)) {
                *slot = more.take();
            }
        }
    }

    /// In the order of the bits of [`Signs`].
    const GROUPS: [fn(&mut Self) -> &mut Option<Use>; 6] = [
        |uses| &mut uses.names,
        |uses| &mut uses.services,
        |uses| &mut uses.users,
        |uses| &mut uses.time,
        |uses| &mut uses.programs,
        |uses| &mut uses.anything,
    ];
}

const NAMES: u8 = 1;
const SERVICES: u8 = 1 << 1;
const USERS: u8 = 1 << 2;
const TIME: u8 = 1 << 3;
const PROGRAMS: u8 = 1 << 4;
const ANYTHING: u8 = 1 << 5;
/// Not asked for beside the closure, but part of it: libgcc_s.
const UNWINDING: u8 = 1 << 6;
const GROUPS: usize = 7;

/// What one file shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs([Option<Sign>; GROUPS]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sign {
    verb: &'static str,
    object: &'static str,
}

impl Signs {
    /// A file that can't be read may hold anything.
    pub(crate) fn unreadable() -> Self {
        let mut signs = Self::default();
        signs.add(ANYTHING | UNWINDING, Sign { verb: "can't be", object: "searched" });
        signs
    }

    /// Puts down a sign of all `groups` that have none.
    fn add(&mut self, groups: u8, sign: Sign) {
        for (group, slot) in self.0.iter_mut().enumerate() {
            if groups >> group & 1 != 0 && slot.is_none() {
                *slot = Some(sign);
            }
        }
    }

    fn complete(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }

    /// Whether it calls a function for which glibc loads libgcc_s: pthread_cancel(3), pthread_exit(3), backtrace(3).
    #[must_use]
    pub fn unwinding(&self) -> bool {
        self.0.last().is_some_and(Option::is_some)
    }
}
