//! Why there is no closure.

use std::io;
use std::path::PathBuf;

use crate::elf::ElfError;
use crate::machine::Machine;
use crate::script;
use crate::tree::ResolveError;

/// Why there is no closure.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Nothing is there.
    #[error("find {program}")]
    NotFound {
        /// As asked for.
        program: String,
        /// What was not there.
        #[source]
        source: ResolveError,
    },
    /// No directory of the search path has it.
    #[error("find {program} in {}", list(.searched))]
    NotInPath {
        /// As asked for.
        program: String,
        /// The directories.
        searched: Vec<PathBuf>,
    },
    /// It is there, but execve(2) would refuse it.
    #[error("run {}", .path.display())]
    NotExecutable {
        /// The file, after links.
        path: PathBuf,
        /// Why.
        #[source]
        why: NotExecutable,
    },
}

fn list(directories: &[PathBuf]) -> String {
    if directories.is_empty() {
        return "an empty search path".into();
    }
    directories.iter().map(|directory| directory.display().to_string()).collect::<Vec<_>>().join(":")
}

/// Why execve(2) would refuse a file.
#[derive(Debug, thiserror::Error)]
pub enum NotExecutable {
    /// A directory.
    #[error("it is a directory")]
    Directory,
    /// A device, a FIFO, a socket.
    #[error("it is not a regular file")]
    NotRegular,
    /// No `x` for anyone.
    #[error("it has no execute permission")]
    NoPermission,
    /// It can't be opened or read by us.
    #[error("it can't be read")]
    Unreadable(#[source] io::Error),
    /// Neither ELF nor `#!`.
    #[error("it is neither an ELF file nor a script that begins with `#!`")]
    Format,
    /// ELF, but not well-formed.
    #[error(transparent)]
    Damaged(ElfError),
    /// For another processor.
    #[error("it is made for {0}, which this system does not run")]
    OtherMachine(Machine),
    /// An ELF file that is neither program nor shared object: an object file, a core dump.
    #[error("it is an ELF file, but no program")]
    NoProgram,
    /// Scripts that name each other.
    #[error("more than {} scripts run each other", script::DEPTH_MAX)]
    TooManyScripts,
}
