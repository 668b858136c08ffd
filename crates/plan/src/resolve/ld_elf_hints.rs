//! The jail's own ld-elf.so.hints. FreeBSD's loader looks in /lib and /usr/lib by itself; where the ports' libraries are it
//! learns from this file, which ldconfig(8) writes on the host.

use thinjail_closure::closure::{Closure, How, Role};
use thinjail_closure::hints::ld_elf_hints;

use super::inside::{Entry, Inside, Node, Origin};
use super::problem::Problem;
use crate::path::RootPath;
use crate::step::Content;

/// Directories for the hints, in the order in which the loader meets them.
#[derive(Clone, Debug, Default)]
pub(super) struct Hints {
    directories: Vec<String>,
}

impl Hints {
    /// Takes in the directories that the loader knows from the host's hints, which may have led it to what is preloaded or dlopened too.
    pub(super) fn learn(&mut self, closure: &Closure) {
        for member in closure
            .members
            .iter()
            .filter(|m| m.role == Role::Library && matches!(m.how, How::Hints | How::Dlopen | How::Preload))
        {
            let directory = member.path.parent().and_then(|directory| directory.to_str());
            match directory {
                // A colon would end the directory's name there.
                Some(directory)
                    if !directory.contains(':') && !self.directories.iter().any(|known| known == directory) =>
                {
                    self.directories.push(directory.into());
                }
                _ => {}
            }
        }
    }

    /// Puts it into place, if there is anything in it.
    pub(super) fn put(&self, inside: &mut Inside) -> Result<(), Problem> {
        if self.directories.is_empty() {
            return Ok(());
        }
        // Little-endian, as amd64, arm64 and riscv64 are.
        let bytes = ld_elf_hints::write(&self.directories, false);
        let node = Node::File { content: Content::Bytes(bytes), mode: 0o444, uid: 0, gid: 0 };
        let why = "the loader inside finds these programs' libraries by it";
        inside.put(RootPath::fixed(ld_elf_hints::PATH), Entry::new(node, Origin::Usual, why))
    }
}
