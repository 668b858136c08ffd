//! The files that the programs need to start: each at its own place, with the links on the way to it.

use std::collections::BTreeMap;

use thinjail_closure::closure::{Closure, Member, Missing, Role};
use thinjail_closure::tree::Kind;

use super::inside::{Entry, Inside, Node, Origin};
use super::ld_elf_hints::Hints;
use super::ld_so_cache::Cache;
use super::libmap::LibMap;
use super::links::{self, Writable};
use super::problem::{Class, Problem, Report};
use crate::facts::{Facts, ProgramFact, SystemKind};
use crate::needs::Needs;
use crate::path::{HostPath, PathError, RootPath};
use crate::step::{Access, Content, Source};

/// What the closures say beside their files.
#[derive(Clone, Debug, Default)]
pub(super) struct Programs {
    /// The path by which the main program is executed.
    pub(super) main: Option<RootPath>,
    /// The same for each of them, by how it is written.
    pub(super) paths: BTreeMap<String, RootPath>,
    /// A member that takes `$ORIGIN` of the main program, which glibc reads from /proc.
    pub(super) needs_proc: Option<String>,
    /// What they need of the usual files.
    pub(super) needs: Needs,
    /// What their loader is told of where their libraries are.
    pub(super) cache: Cache,
    /// The same for FreeBSD's.
    pub(super) hints: Hints,
    /// And of what it takes for something else.
    pub(super) libmap: LibMap,
}

pub(super) fn resolve(
    main: Option<&str>,
    further: &[String],
    (facts, writable): (&Facts, &Writable),
    inside: &mut Inside,
    report: &mut Report,
) -> Programs {
    let mut programs = Programs::default();
    for written in main.into_iter().chain(further.iter().map(String::as_str)) {
        let closure = match facts.programs.get(written) {
            Some(ProgramFact::Closure(closure)) => closure,
            other => {
                report.problem(no_closure(written, other));
                continue;
            }
        };
        for missing in &closure.missing {
            report.problem(missing_file(written, missing));
        }
        for member in &closure.members {
            let result = bring(member, facts, writable, inside);
            report.keep(result);
        }
        if !closure.wanting.is_empty() {
            report.note(wanting(written, &closure.wanting));
        }
        programs.learn(written, closure);
        programs.cache.learn(written, closure, report);
        programs.hints.learn(closure);
        programs.libmap.learn(closure);
        let path = closure.members.first().and_then(program_path);
        programs.paths.extend(path.clone().map(|path| (written.to_owned(), path)));
        if Some(written) == main {
            programs.main = path;
        }
    }
    programs
}

impl Programs {
    fn learn(&mut self, written: &str, closure: &Closure) {
        if closure.needs_proc && self.needs_proc.is_none() {
            self.needs_proc = Some(written.into());
        }
        self.needs.learn(written, closure);
    }
}

/// The path that is executed: as it was found, unless that goes up by `..`.
fn program_path(member: &Member) -> Option<RootPath> {
    RootPath::from_path(&member.path).or_else(|_| RootPath::from_path(&member.resolved.real)).ok()
}

fn no_closure(written: &str, fact: Option<&ProgramFact>) -> Problem {
    let run = |class, why: &str| Problem::new(class, format!("run {written}: {why}"));
    match fact {
        Some(ProgramFact::NotFound { why }) => run(Class::NotFound, why).help(if written.contains(' ') {
            "write each word by itself: command = [\"program\", \"argument\"]"
        } else if written.contains('/') {
            "check the path, or install the program"
        } else {
            "write its path, or install the program"
        }),
        Some(ProgramFact::NotExecutable { why }) => run(Class::NotExecutable, why)
            .help("check that it is the program that is meant; a script needs chmod +x and a first line with #!"),
        Some(ProgramFact::Closure(_)) | None => {
            run(Class::Setup, "the facts say nothing of this program").help("gather the facts again with this profile")
        }
    }
}

/// What to say of a file that is missing from the closure of `program`.
#[must_use]
pub fn missing_file(program: &str, missing: &Missing) -> Problem {
    let needed_by = missing.needed_by.display();
    let mut what = match missing.role {
        Role::Library => format!("library {} is missing, needed by {needed_by}", missing.name),
        Role::Interpreter => format!("interpreter {} is missing, needed by {needed_by}", missing.name),
        Role::Script | Role::Program => format!("program {} is missing, needed by {needed_by}", missing.name),
    };
    if missing.needed_by.to_str() != Some(program) && program.contains('/') {
        what.push_str(&format!(", which {program} needs"));
    }
    const SHOWN: usize = 4;
    if !missing.searched.is_empty() {
        let shown: Vec<_> = missing.searched.iter().take(SHOWN).map(|dir| dir.display().to_string()).collect();
        what.push_str(&format!("; looked for in {}", shown.join(", ")));
        match missing.searched.len().saturating_sub(SHOWN) {
            0 => {}
            more => what.push_str(&format!(" and {more} more")),
        }
    }
    for refused in &missing.refused {
        what.push_str(&format!("; {} is not taken: {}", refused.path.display(), refused.why));
    }
    match missing.role {
        Role::Library => Problem::setup(what).help("install it, or name its directory in env LD_LIBRARY_PATH"),
        Role::Interpreter | Role::Script | Role::Program => Problem::setup(what).help("install it"),
    }
}

/// Plug-ins and modules that can't be loaded, as it is on the host.
fn wanting(program: &str, wanting: &[Missing]) -> String {
    const SHOWN: usize = 3;
    let shown =
        wanting.iter().take(SHOWN).map(|missing| format!("{} for {}", missing.name, missing.needed_by.display()));
    let shown: Vec<_> = shown.collect();
    let more = match wanting.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("not there, as on the host, of what {program} may load when it runs: {}{more}", shown.join(", "))
}

fn bring(member: &Member, facts: &Facts, writable: &Writable, inside: &mut Inside) -> Result<(), Problem> {
    let why = why(member);
    links::judge(&why, &member.resolved, facts.caller)?;
    writable.judge_loaded(&why, &member.resolved)?;
    let bad = |error| Problem::setup(format!("{why}: {error}"));
    let path = HostPath::from_path(&member.resolved.real).map_err(bad)?;
    let asked = member.path.to_str().ok_or_else(|| bad(PathError::NotUtf8(member.path.display().to_string())))?;
    if member.resolved.meta.kind != Kind::File {
        return Err(Problem::new(Class::NotExecutable, format!("{why}: {path} is no regular file")));
    }
    let source = Source { path, id: Some(member.resolved.meta.id), kind: Kind::File };
    let real = source.path.inside();
    let node = match facts.system.kind() {
        SystemKind::Linux => Node::Bind { source, access: Access { write: false, exec: true, dev: false } },
        // Single-file mounts panic 13.2 and pin the old file after an upgrade; a copy does neither.
        SystemKind::FreeBsd => Node::File { content: Content::Copy(source), mode: 0o555, uid: 0, gid: 0 },
    };
    inside.bring(asked, &member.resolved, real, Entry::new(node, Origin::Closure, why).bytes(member.resolved.meta.size))
}

fn why(member: &Member) -> String {
    let needed_by = member.needed_by.as_ref().map(|path| path.display());
    match (member.role, needed_by) {
        (Role::Program, None) => format!("program {}", member.name),
        (Role::Script, None) => format!("script {}", member.name),
        (Role::Program | Role::Script, Some(by)) => format!("program {}, named by {by}", member.name),
        (Role::Interpreter, Some(by)) => format!("interpreter of {by}"),
        (Role::Interpreter, None) => format!("interpreter {}", member.name),
        (Role::Library, Some(by)) => format!("library {}, needed by {by}, found by {}", member.name, member.how),
        (Role::Library, None) => format!("library {}, found by {}", member.name, member.how),
    }
}
