//! The question, which program, and what comes out: the members of a closure, how each was found, and what is missing.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use crate::elf::Priority;
pub use crate::find::{FindError, Finder, NotExecutable, Objects, Request, System, find};
use crate::plugins::Plugins;
use crate::tree::Resolved;
pub use crate::uses::{Use, Uses};

/// What a member is to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The program asked for.
    Program,
    /// What a `#!` line leads to: an interpreter, env(1), and what that runs.
    Script,
    /// `PT_INTERP`.
    Interpreter,
    /// A shared object loaded before `main`.
    Library,
}

/// By which rule of the loader a member was found; ld.so(8), rtld(1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It was asked for.
    Asked,
    /// The file names it with a `/`: `PT_INTERP`, a `DT_NEEDED` with a path, `#!`.
    Path,
    /// `PATH`, for env(1).
    SearchPath,
    /// `DT_RPATH` of the object or of one that loaded it.
    Rpath,
    /// `LD_LIBRARY_PATH`.
    LibraryPath,
    /// `DT_RUNPATH`.
    Runpath,
    /// ld.so.cache.
    Cache,
    /// A directory named in ld-elf.so.hints, or in musl's path file.
    Hints,
    /// A directory built into the interpreter.
    Default,
    /// `LD_PRELOAD` or ld.so.preload.
    Preload,
    /// Not named by the file, but loaded by libc when a function the file imports is called (libgcc_s for
    /// pthread_cancel(3)).
    Implied,
    /// An object says in a note that it loads it by dlopen(3): [`Request::dlopen`].
    Dlopen,
    /// The program loads it when it runs, or may: [`Request::loads`].
    Plugin,
}

impl fmt::Display for How {
    /// What it was found by, as it follows on "found by".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "being asked for",
            Self::Path => "its path",
            Self::SearchPath => "PATH",
            Self::Rpath => "DT_RPATH",
            Self::LibraryPath => "LD_LIBRARY_PATH",
            Self::Runpath => "DT_RUNPATH",
            Self::Cache => "ld.so.cache",
            Self::Hints => "ld-elf.so.hints",
            Self::Default => "the interpreter's own directories",
            Self::Preload => "LD_PRELOAD",
            Self::Implied => "libc, when it is called for",
            Self::Dlopen => "a note about dlopen(3)",
            Self::Plugin => "being loaded when it runs",
        })
    }
}

/// One file of a closure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The path by which the kernel or the loader opens it.
    pub path: PathBuf,
    /// That path followed to its end.
    pub resolved: Resolved,
    /// What it is.
    pub role: Role,
    /// How it was found.
    pub how: How,
    /// The name that was looked for: the soname, or the path.
    pub name: String,
    /// The path of the member that needs it; none for the program asked for.
    pub needed_by: Option<PathBuf>,
}

/// A file that is there, but that the loader does not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its path.
    pub path: PathBuf,
    /// Why, a lowercase fragment: "made for i386".
    pub why: String,
}

/// A file that the loader would not find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The name looked for.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// The path of the member that needs it.
    pub needed_by: PathBuf,
    /// Where it was looked for, in order, for the message.
    pub searched: Vec<PathBuf>,
    /// What was found there, but not taken.
    #[serde(default)]
    pub refused: Vec<Refused>,
}

/// All files a program needs to start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closure {
    /// In the order in which the loader meets them; the program asked for is first.
    pub members: Vec<Member>,
    /// What would stop the program from starting.
    pub missing: Vec<Missing>,
    /// What is not there and would not stop it: what its plug-ins need ([`Request::loads`]), or a plug-in itself.
    #[serde(default)]
    pub wanting: Vec<Missing>,
    /// Directories that have to be there though they may hold no member: a path leads through them and up again by `..`.
    #[serde(default)]
    pub directories: Vec<PathBuf>,
    /// Whether any member takes `$ORIGIN` of the main program, which glibc reads from /proc/self/exe.
    pub needs_proc: bool,
    /// The interpreter's flavour, if there is one.
    pub loader: Option<Loader>,
    /// How the loader wants the entries of /etc/ld.so.cache to be marked, if it reads one.
    #[serde(default)]
    pub cache: Option<CacheMark>,
    /// What FreeBSD's loader took for something else because of libmap.conf(5); for
    /// [`hints::libmap::write`](crate::hints::libmap::write).
    #[serde(default)]
    pub maps: Vec<Map>,
    /// Directories in which it may have plug-ins, told by its name and those of its libraries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<Plugins>,
    /// What was followed of them and of others: [`Request::loads`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loads: Vec<PathBuf>,
    /// What it asks for of the usual files of /etc; none where that can't be known: of a static program, or one of another
    /// libc than glibc.
    #[serde(default)]
    pub uses: Option<Box<Uses>>,
}

/// A line of libmap.conf(5) that had an effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Map {
    /// The path of the object that asked.
    pub by: String,
    /// What it asked for: a name, or a directory of its search path.
    pub from: String,
    /// What that stands for.
    pub to: String,
}

/// What [`hints::ld_so_cache::write`](crate::hints::ld_so_cache::write) has to know of the program's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheMark {
    /// [`hints::ld_so_cache::flags`](crate::hints::ld_so_cache::flags).
    pub flags: u32,
    /// The machine's byte order.
    pub big_endian: bool,
}

/// Whose rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loader {
    /// GNU libc, ld.so(8).
    Glibc,
    /// musl.
    Musl,
    /// FreeBSD, rtld(1).
    FreeBsd,
}
