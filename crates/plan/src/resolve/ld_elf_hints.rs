//! The jail's own ld-elf.so.hints. FreeBSD's loader looks in /lib and /usr/lib by itself; where the ports' libraries are it
//! learns from this file, which ldconfig(8) writes on the host.

use thinjail_closure::closure::{Closure, How, Role};

use super::inside::{Entry, Inside, Node, Origin};
use super::problem::Problem;
use crate::path::RootPath;
use crate::step::Content;

/// `ELFHINTS_MAGIC`, "Ehnt".
const MAGIC: u32 = 0x746e_6845;
/// `struct elfhints_hdr`: six words, and 26 spare ones.
const HEADER: u32 = 128;
/// `_PATH_ELF_HINTS`.
const PATH: &str = "/var/run/ld-elf.so.hints";

/// Directories for the hints, in the order in which the loader meets them.
#[derive(Clone, Debug, Default)]
pub(super) struct Hints {
    directories: Vec<String>,
}

impl Hints {
    /// Takes in the directories that the loader knows from the host's hints.
    pub(super) fn learn(&mut self, closure: &Closure) {
        for member in closure.members.iter().filter(|m| m.role == Role::Library && m.how == How::Hints) {
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
        let node = Node::File { content: Content::Bytes(self.write()), mode: 0o444, uid: 0, gid: 0 };
        let why = "the loader inside finds these programs' libraries by it";
        inside.put(RootPath::fixed(PATH), Entry::new(node, Origin::Usual, why))
    }

    /// elf-hints.h, little-endian as amd64, arm64 and riscv64 are.
    fn write(&self) -> Vec<u8> {
        let list = self.directories.join(":");
        let length = list.len() as u32;
        let mut out = Vec::with_capacity(HEADER as usize + list.len() + 1);
        // magic, version, strtab, strsize, dirlist, dirlistlen
        for word in [MAGIC, 1, HEADER, length + 1, 0, length] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.resize(HEADER as usize, 0);
        out.extend_from_slice(list.as_bytes());
        out.push(0);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_128_bytes_and_the_list_ends_with_nul() {
        let bytes = Hints { directories: vec!["/usr/local/lib".into(), "/opt".into()] }.write();
        assert_eq!(&bytes[..4], b"Ehnt");
        assert_eq!(bytes[8..12], 128_u32.to_le_bytes());
        assert_eq!(bytes[12..16], 20_u32.to_le_bytes());
        assert_eq!(bytes[20..24], 19_u32.to_le_bytes());
        assert_eq!(&bytes[128..], b"/usr/local/lib:/opt\0");
    }
}
