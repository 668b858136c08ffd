//! Which of the usual files of /etc the programs need. Where that can't be known, all of them.

use std::collections::{BTreeMap, BTreeSet};

use thinjail_closure::closure::{Closure, Role, Uses};

use crate::etc::{self, Usual};
use crate::facts::{ProgramFact, SystemKind};
use crate::path::HostPath;
use crate::spec::Spec;
use crate::wishes::wishes;

/// What of a spec decides beside the programs, where it does not say itself which of the usual files are inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByNeed {
    system: SystemKind,
    /// Users are written, so that their names are found.
    users: bool,
    /// What of the host's is inside and may be executed: with it come programs that nobody named.
    more: Option<HostPath>,
}

impl ByNeed {
    /// None where the usual files are written.
    pub(crate) fn of(spec: &Spec, system: SystemKind) -> Option<Self> {
        if spec.etc.is_some() {
            return None;
        }
        let more = wishes(spec, system).into_iter().flatten().find(|wish| wish.exec).map(|wish| wish.source);
        Some(Self { system, users: !spec.users.is_empty(), more })
    }

    /// The host's files that these programs need.
    #[must_use]
    pub fn paths(&self, programs: &BTreeMap<String, ProgramFact>) -> BTreeSet<HostPath> {
        let mut needs = Needs::default();
        for (written, fact) in programs {
            if let ProgramFact::Closure(closure) = fact {
                needs.learn(written, closure);
            }
        }
        let words = Usual::ALL.into_iter().filter(|usual| needs.why(*usual, self).is_some());
        etc::paths(&words.collect::<Vec<_>>(), self.system).into_iter().collect()
    }
}

/// What the closures say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    uses: Uses,
    /// A program of which it can't be told what it uses.
    unknown: Option<String>,
    /// A program that could use TLS: it loads a library for it, or can't be seen through.
    pub(crate) tls: Option<String>,
}

/// Sonames, up to the first `.so`, of what speaks TLS.
const TLS_LIBRARIES: [&str; 4] = ["libssl", "libgnutls", "libnss3", "libmbedtls"];

impl Needs {
    /// Takes in one more program.
    pub(crate) fn learn(&mut self, written: &str, closure: &Closure) {
        match &closure.uses {
            Some(uses) => self.uses.join((**uses).clone()),
            None if self.unknown.is_some() => {}
            None if closure.loader.is_none() => self.unknown = Some(format!("{written} is static")),
            None => self.unknown = Some(format!("what {written} asks for is not known")),
        }
        if self.tls.is_none() {
            self.tls = tls(written, closure);
        }
    }

    /// Why one of the usual files is inside when nothing is written; none where no program needs it.
    pub(crate) fn why(&self, usual: Usual, by: &ByNeed) -> Option<String> {
        let Uses { names, services, users, time, programs, anything } = &self.uses;
        let known = match usual {
            Usual::Ca => return self.tls.clone(),
            Usual::Passwd | Usual::Group if by.users => return Some("users are written".into()),
            Usual::Passwd | Usual::Group => users.as_ref(),
            Usual::Nsswitch if by.users => return Some("users are written".into()),
            Usual::Nsswitch => names.as_ref().or(services.as_ref()).or(users.as_ref()),
            Usual::Hosts | Usual::Resolv => names.as_ref(),
            Usual::Services => services.as_ref(),
            Usual::Localtime => time.as_ref(),
        };
        if let Some(known) = known.or(anything.as_ref()) {
            return Some(known.to_string());
        }
        let more = || Some(format!("{}, and programs may be in {}", programs.as_ref()?, by.more.as_ref()?));
        self.unknown.clone().or_else(more)
    }
}

fn tls(written: &str, closure: &Closure) -> Option<String> {
    let library = closure.members.iter().find(|member| speaks_tls(&member.name));
    if let Some(member) = library {
        Some(format!("{written} loads {}", member.name))
    } else if closure.members.iter().any(|member| member.role == Role::Script) {
        Some(format!("{written} is a script, which may use TLS"))
    } else if closure.loader.is_none() {
        Some(format!("{written} is static, and may use TLS"))
    } else {
        None
    }
}

fn speaks_tls(soname: &str) -> bool {
    let name = soname.rsplit('/').next().unwrap_or(soname);
    let stem = name.split(".so").next().unwrap_or(name);
    TLS_LIBRARIES.contains(&stem)
}
