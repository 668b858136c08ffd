//! `ldd`: of which files, and in which form the answer comes.

use std::ffi::OsString;
use std::path::PathBuf;

/// Better than ldd(1), in the first lines that its user reads.
const BETTER: &str = "\
Better than ldd(1): nothing is executed, so that any file may be asked about;
each file is named with the rule by which it is found, and for whom; what is
missing too, and then the exit status tells; #! lines are followed; trees of
other systems and processors are read (glibc, musl, FreeBSD); many at once.";

/// `ldd`.
#[derive(Debug, clap::Args)]
#[command(before_help = BETTER)]
pub(crate) struct Ldd {
    /// Programs, scripts or libraries: paths, or names to be looked for in PATH
    #[arg(value_name = "PROGRAM", required = true)]
    pub(crate) programs: Vec<String>,
    /// Prints each file below the one that asks for it first, and how it was found
    #[arg(long, conflicts_with_all = ["json", "why"])]
    pub(crate) tree: bool,
    /// Prints JSON: one object a program in an array
    #[arg(long, conflicts_with = "why")]
    pub(crate) json: bool,
    /// Prints why a library is loaded: who asks for it, and by which rule it is found
    #[arg(long, value_name = "LIB")]
    pub(crate) why: Option<String>,
    /// Adds what no file names, but what libc loads when it is called for, as modules of nsswitch.conf
    #[arg(long)]
    pub(crate) all: bool,
    /// Looks below DIR as if it were /
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
}

impl Ldd {
    /// Where there are but programs: it is called for each of many files, and the other way takes as long as the answer.
    pub(super) fn without_flags(argv: &[OsString]) -> Option<Self> {
        let programs = match argv {
            [_, verb, programs @ ..] if verb == "ldd" && !programs.is_empty() => programs,
            _ => return None,
        };
        let plain = |word: &OsString| word.to_str().filter(|word| !word.starts_with('-')).map(str::to_owned);
        let programs = programs.iter().map(plain).collect::<Option<_>>()?;
        Some(Self { programs, tree: false, json: false, why: None, all: false, root: None })
    }
}
