//! What the runtime of a language says of itself: where its modules are. It is read, and never executed.
//!
//! A program in Python or Java is a closure and a directory of modules, and which one is written in files: pyvenv.cfg, the
//! links of a Java home, the paths that are compiled into perl(1).

mod embedded;
mod java;
mod node;
mod python;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::closure::{Closure, Finder, Member, Role};
use crate::tree::{Kind, Link, ResolveError, Resolved};

/// Directories whose links are looked at.
const DIRECTORIES_MAX: usize = 64;

/// Where a link out of a directory leads to data, to devices or to what changes, and not to modules.
const DATA: [&str; 8] = ["/dev", "/proc", "/run", "/sys", "/tmp", "/var/log", "/var/run", "/var/tmp"];

/// Time zones of the system.
const ZONES: &str = "/usr/share/zoneinfo";

/// A text file of a runtime that is larger says nothing.
const TEXT_MAX: u64 = 64 << 10;

/// A language whose runtime can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// CPython and PyPy.
    Python,
    /// OpenJDK and its kin.
    Java,
    /// Node.js.
    Node,
    /// Perl 5.
    Perl,
    /// PHP, as php-fpm(8) or alone.
    Php,
    /// Ruby.
    Ruby,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Python, Self::Java, Self::Node, Self::Perl, Self::Php, Self::Ruby];

    /// Its word in a profile.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Java => "java",
            Self::Node => "node",
            Self::Perl => "perl",
            Self::Php => "php",
            Self::Ruby => "ruby",
        }
    }

    /// The language of that word.
    #[must_use]
    pub fn by_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.word() == word)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Python => "Python",
            Self::Java => "Java",
            Self::Node => "Node.js",
            Self::Perl => "Perl",
            Self::Php => "PHP",
            Self::Ruby => "Ruby",
        })
    }
}

/// A runtime, and the directory that it is asked about: a virtual environment, a Java home, the directory of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// Which language.
    pub language: Language,
    /// The directory; without one only what the program's own interpreter brings.
    pub path: Option<PathBuf>,
}

/// A file or directory that the runtime reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its path, as it is asked for.
    pub path: PathBuf,
    /// What it is, a lowercase fragment: "modules of Python 3.11".
    pub why: String,
    /// The file that names it, as if it were a link to it: who can write that file chooses what is brought. None where
    /// the profile names it, or a link leads there.
    #[serde(default)]
    pub said_by: Option<Link>,
    /// It is left out where a link on the way may not be followed.
    #[serde(default)]
    pub optional: bool,
    /// It holds no modules, and so no object that could need a library.
    #[serde(default)]
    pub data: bool,
}

/// Why a runtime can't be asked.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The directory is not there.
    #[error(transparent)]
    Path(#[from] ResolveError),
    /// What is there is no directory.
    #[error("{} is no directory", .path.display())]
    NoDirectory {
        /// Its path.
        path: PathBuf,
    },
    /// No pyvenv.cfg.
    #[error("{} is no virtual environment: there is no pyvenv.cfg in it", .path.display())]
    NoVenv {
        /// The directory.
        path: PathBuf,
    },
    /// A pyvenv.cfg without what has to be in it.
    #[error("{} says no {key}", .path.display())]
    NoKey {
        /// The pyvenv.cfg.
        path: PathBuf,
        /// Its missing key.
        key: &'static str,
    },
    /// The interpreter that the virtual environment was made with is gone.
    #[error("{} was made with the Python in {}, and {what}", .path.display(), .home.display())]
    NoBase {
        /// The virtual environment.
        path: PathBuf,
        /// Where its interpreter was.
        home: PathBuf,
        /// What is not there, a fragment.
        what: String,
    },
    /// The standard library of an interpreter is not where it looks for it.
    #[error("{} is a Python without its library: there is no os.py in lib/python3.N beside it", .program.display())]
    NoLibrary {
        /// The interpreter.
        program: PathBuf,
    },
    /// No Java is there.
    #[error("{} is no Java home: there is neither lib/modules nor lib/rt.jar in it", .path.display())]
    NoJava {
        /// The directory.
        path: PathBuf,
    },
    /// The program is not of that language.
    #[error("{} is no {language}", .program.display())]
    OtherProgram {
        /// The program that is executed in the end.
        program: PathBuf,
        /// What it is not.
        language: Language,
    },
}

impl RuntimeError {
    /// What to do about it, in the imperative.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Path(_) => "check the path, or install it there",
            Self::NoDirectory { .. } => "write its directory",
            Self::NoVenv { .. } => {
                "make it with `python3 -m venv`; for a Python without one write runtime = \"python\", and the program's \
                 directory in read"
            }
            Self::NoKey { .. } | Self::NoBase { .. } => "make the virtual environment again with `python3 -m venv`",
            Self::NoLibrary { .. } => "install the Python's library, or write its directories in read",
            Self::NoJava { .. } => "write the directory in which bin/java is, as in runtime = \"java:/opt/jdk\"",
            Self::OtherProgram { .. } => "let command be the interpreter, or a script that names it in its first line",
        }
    }
}

impl Finder<'_> {
    /// What the runtime reads beside the closure of `program`, which is run by it.
    ///
    /// # Errors
    /// There is no such runtime.
    pub fn runtime(&mut self, runtime: &Runtime, program: &Closure) -> Result<Vec<Part>, RuntimeError> {
        let mut look = Look { finder: self, parts: Vec::new(), seen: BTreeSet::new() };
        let language = runtime.language;
        match (language, &runtime.path) {
            (Language::Python, Some(path)) => python::venv(&mut look, path)?,
            (Language::Python, None) => python::bare(&mut look, executed(program))?,
            (Language::Java, path) => java::home(&mut look, path.as_deref(), executed(program))?,
            (Language::Node, path) => node::modules(&mut look, path.as_deref(), executed(program))?,
            (Language::Perl | Language::Php | Language::Ruby, path) => {
                embedded::directories(&mut look, language, path.as_deref(), program)?;
            }
        }
        look.follow(language);
        // Others bring the zones along. Python's zoneinfo looks for them there, and so does the PHP of distributions.
        if matches!(language, Language::Python | Language::Php) && look.directory(Path::new(ZONES), "time zones", None)
        {
            look.parts.iter_mut().filter(|part| part.path == Path::new(ZONES)).for_each(|part| part.data = true);
        }
        Ok(look.parts)
    }
}

/// What is executed in the end, after all scripts.
fn executed(program: &Closure) -> Option<&Member> {
    program.members.iter().rev().find(|member| matches!(member.role, Role::Program | Role::Script))
}

/// A look at a runtime: what it has found so far.
struct Look<'f, 't> {
    finder: &'f mut Finder<'t>,
    parts: Vec<Part>,
    seen: BTreeSet<PathBuf>,
}

impl Look<'_, '_> {
    fn found(&mut self, path: &Path, kind: Kind) -> Option<Resolved> {
        self.finder.resolver().resolve(path).ok().filter(|found| found.meta.kind == kind)
    }

    /// The directory that the profile names.
    fn named(&mut self, path: &Path, why: impl Into<String>) -> Result<(), RuntimeError> {
        let found = self.finder.resolver().resolve(path)?;
        if found.meta.kind != Kind::Directory {
            return Err(RuntimeError::NoDirectory { path: path.into() });
        }
        self.put(path, found, why.into(), None);
        Ok(())
    }

    /// A directory that may be there, said by a file. Says whether it is.
    fn directory(&mut self, path: &Path, why: impl Into<String>, said_by: Option<&Path>) -> bool {
        let Some(found) = self.found(path, Kind::Directory) else { return false };
        let said_by = said_by.and_then(|file| self.saying(file, path));
        self.put(path, found, why.into(), said_by);
        true
    }

    fn put(&mut self, path: &Path, found: Resolved, why: String, said_by: Option<Link>) {
        // Below one that is brought already, without a link: it is seen there.
        let within = self.seen.iter().any(|dir| found.real.starts_with(dir)) && found.links.is_empty();
        if !within && self.seen.insert(found.real) {
            self.parts.push(Part { path: path.into(), why, said_by, optional: false, data: false });
        }
    }

    /// A file that says a path, as if it were a link to it. One that others may write says what they like.
    fn saying(&mut self, file: &Path, path: &Path) -> Option<Link> {
        let found = self.finder.resolver().resolve(file).ok()?;
        let loose = self.finder.resolver().is_loose(file).unwrap_or(true) || found.meta.mode & 0o022 != 0;
        Some(Link { at: found.real, to: path.into(), uid: found.meta.uid, loose })
    }

    /// What the links of the directories lead to, where that is outside of them all.
    fn follow(&mut self, language: Language) {
        let mut done = 0;
        while let Some(part) = self.parts.get(done).filter(|_| done < DIRECTORIES_MAX) {
            let top = part.path.clone();
            done += 1;
            let Some(found) = self.found(&top, Kind::Directory) else { continue };
            let mut queue = vec![found.real.clone()];
            while let Some(real) = queue.pop() {
                let Ok(entries) = self.finder.resolver().tree().entries(&real) else { continue };
                for (name, kind) in entries {
                    let idle = real == found.real && language == Language::Java && java::is_idle(&name);
                    match kind {
                        Kind::Directory if !idle => queue.push(real.join(&name)),
                        Kind::Symlink if !idle => self.link(&real.join(&name)),
                        _ => {}
                    }
                }
            }
        }
    }

    fn link(&mut self, path: &Path) {
        // One that leads nowhere does so for the runtime, too.
        let Ok(found) = self.finder.resolver().resolve(path) else { return };
        let wanted = matches!(found.meta.kind, Kind::File | Kind::Directory);
        // What leads up from a directory of modules is no module.
        let up = self.seen.iter().any(|dir| dir.starts_with(&found.real));
        let data = DATA.iter().any(|data| found.real.starts_with(data));
        if !wanted || up || data || self.seen.iter().any(|dir| found.real.starts_with(dir)) {
            return;
        }
        let why = format!("the link {} leads there", path.display());
        self.seen.insert(found.real);
        self.parts.push(Part { path: path.into(), why, said_by: None, optional: true, data: false });
    }

    /// A text file, its lines.
    fn lines(&mut self, path: &Path) -> Option<Vec<String>> {
        let bytes = self.finder.small_file(path, TEXT_MAX)?;
        Some(String::from_utf8_lossy(&bytes).lines().map(|line| line.trim().to_owned()).collect())
    }

    /// The names in a directory, sorted; none where it can't be read.
    fn names(&mut self, path: &Path) -> Vec<String> {
        let Some(found) = self.found(path, Kind::Directory) else { return Vec::new() };
        let names = self.finder.resolver().tree().list(&found.real).unwrap_or_default();
        let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.sort_unstable();
        names
    }
}
