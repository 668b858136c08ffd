//! Perl, PHP, Ruby: the directories that they look into are compiled into them.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Language, Look, RuntimeError, executed};
use crate::closure::{Closure, Role};
use crate::tree::{Kind, ReadAt, Resolved};

/// More of a program is not read.
const FILE_MAX: u64 = 64 << 20;

/// What is read at once, and the longest path that is taken.
const PART: usize = 64 << 10;
const PATH_MAX: usize = 512;

/// What is written about, and not read when a program runs.
const IDLE: [&str; 5] = ["/usr/lib/debug", "/usr/include", "/usr/src", "/usr/share/doc", "/usr/share/man"];

/// The directory that is named, and those that the program and its own library name.
pub(super) fn directories(
    look: &mut Look<'_, '_>,
    language: Language,
    path: Option<&Path>,
    program: &Closure,
) -> Result<(), RuntimeError> {
    if let Some(path) = path {
        look.named(path, "the program")?;
    }
    let Some(main) = executed(program) else { return Ok(()) };
    let word = language.word();
    let libraries = program
        .members
        .iter()
        .filter(|member| member.role == Role::Library && member.name.starts_with("lib") && member.name.contains(word));
    let mut found = BTreeSet::new();
    for member in std::iter::once(main).chain(libraries) {
        for place in named_in(look, &member.resolved, word) {
            found.insert((place, member.resolved.real.clone()));
        }
    }
    if found.is_empty() {
        return Err(RuntimeError::OtherProgram { program: main.resolved.real.clone(), language });
    }
    for (place, file) in found {
        look.directory(&place, format!("{} names it", file.display()), Some(&file));
    }
    if language == Language::Ruby {
        gems(look);
    }
    Ok(())
}

/// Where RubyGems looks, which it puts together from the directories that are named: PREFIX/lib/ruby/gems beside
/// PREFIX/lib/ruby/3.1.0, and in Debian's manner PREFIX/lib/rubygems-integration.
fn gems(look: &mut Look<'_, '_>) {
    let known: Vec<PathBuf> = look.parts.iter().map(|part| part.path.clone()).collect();
    let above = |levels: usize| known.iter().filter_map(move |path| path.ancestors().nth(levels));
    let own = above(1).filter(|dir| dir.ends_with("ruby")).map(|dir| dir.join("gems"));
    let integration = above(2).map(|dir| dir.join("rubygems-integration"));
    let debian = ["/usr/share/rubygems-integration", "/var/lib/gems"].map(PathBuf::from);
    let places: BTreeSet<PathBuf> = own.chain(integration).chain(debian).collect();
    for place in places {
        look.directory(&place, "packages of Ruby", None);
    }
}

/// The directories whose paths stand in a file and have the language's word in them.
fn named_in(look: &mut Look<'_, '_>, file: &Resolved, word: &str) -> BTreeSet<PathBuf> {
    let Ok(open) = look.finder.open(file) else { return BTreeSet::new() };
    let paths = strings(&*open, word);
    let there = |path: &PathBuf| {
        let found = look.found(path, Kind::Directory);
        // Where everybody may write, as PHP's sessions are, is data.
        found.is_some_and(|found| found.meta.mode & 0o002 == 0)
    };
    paths.into_iter().filter(there).collect()
}

/// Strings that are absolute paths. What stands across two parts is met again in the second.
fn strings(file: &dyn ReadAt, word: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let size = file.len().min(FILE_MAX);
    let mut buffer = vec![0; PART + PATH_MAX];
    let mut at = 0;
    while at < size {
        let room = buffer.len() as u64;
        let here = usize::try_from((size - at).min(room)).unwrap_or(0);
        let Some(part) = buffer.get_mut(..here) else { break };
        if file.read_exact_at(part, at).is_err() {
            break;
        }
        for text in part.split(|&byte| byte == 0) {
            let is_path = text.first() == Some(&b'/') && text.len() < PATH_MAX && text.is_ascii();
            if is_path && memchr::memmem::find(text, word.as_bytes()).is_some() {
                let path = Path::new(std::ffi::OsStr::from_bytes(text));
                let idle = IDLE.iter().any(|idle| path.starts_with(idle));
                let plain = path.components().all(|part| !matches!(part, std::path::Component::ParentDir));
                if !idle && plain {
                    found.insert(path.to_owned());
                }
            }
        }
        at += PART as u64;
    }
    found
}
