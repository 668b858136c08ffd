//! The view through which everything here reads files: the host, a directory that stands for one (`--root`), the planned
//! inside of a jail, or a tree in memory.

mod by_id;
mod dir;
mod mem;
mod resolve;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

pub(crate) use by_id::ById;
pub use dir::DirTree;
pub use mem::MemTree;
pub use resolve::{LINKS_MAX, PATH_MAX, ResolveError, Resolver, resolve};

/// What a name stands for, as lstat(2) tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A FIFO.
    Fifo,
    /// A unix-domain socket.
    Socket,
}

/// Which file, whatever its name: the pair that stat(2) calls `st_dev` and `st_ino`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId {
    /// `st_dev`.
    pub dev: u64,
    /// `st_ino`.
    pub ino: u64,
}

/// What lstat(2) says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Which file it is.
    pub id: FileId,
    /// Its type.
    pub kind: Kind,
    /// Permission bits, `st_mode & 07777`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of hard links.
    pub nlink: u64,
    /// Bytes.
    pub size: u64,
}

/// A file opened for reading at offsets, as pread(2) does.
pub trait ReadAt {
    /// Bytes in the file when it was opened.
    fn len(&self) -> u64;
    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Fills `buf` from `offset`; fails with `UnexpectedEof` where the file ends before that.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
    /// The next `len` bytes from `offset`; fails where the file ends before that.
    fn read_vec_at(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
}

/// A tree of files. Paths are absolute; the ones handed to these methods have no link among their parents, which
/// [`resolve`](resolve()) sees to, so an implementation never has to follow one.
pub trait Tree {
    /// lstat(2).
    fn lstat(&self, path: &Path) -> io::Result<Meta>;
    /// readlink(2).
    fn readlink(&self, path: &Path) -> io::Result<PathBuf>;
    /// Opens a regular file for reading. Anything else (a FIFO, a device) is refused with `InvalidInput` and is never
    /// opened in a way that blocks or has an effect on it.
    fn open(&self, path: &Path) -> io::Result<Rc<dyn ReadAt>>;
    /// Opens what [`resolve`](resolve()) found: the same, for which a tree need not look again at what it is.
    fn open_found(&self, found: &Resolved) -> io::Result<Rc<dyn ReadAt>> {
        self.open(&found.real)
    }
    /// The names in a directory, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<OsString>>;
    /// The same with what each name stands for, of which a directory may tell more cheaply than lstat(2). A name that is
    /// gone again is left out.
    fn entries(&self, path: &Path) -> io::Result<Vec<(OsString, Kind)>> {
        let names = self.list(path)?;
        let kind = |name: OsString| Some((self.lstat(&path.join(&name)).ok()?.kind, name));
        Ok(names.into_iter().filter_map(kind).map(|(kind, name)| (name, kind)).collect())
    }
}

/// `Path::join`, which takes memory twice, and looks at each name.
pub(crate) fn join(directory: &Path, name: impl AsRef<OsStr>) -> PathBuf {
    let (directory, name) = (directory.as_os_str(), name.as_ref());
    if name.as_bytes().starts_with(b"/") {
        return name.into();
    }
    let mut path = OsString::with_capacity(directory.len() + 1 + name.len());
    path.push(directory);
    if directory.as_bytes().last().is_some_and(|&last| last != b'/') {
        path.push("/");
    }
    path.push(name);
    path.into()
}

/// A symbolic link that was gone through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Where it stands; no link among its parents.
    pub at: PathBuf,
    /// What it says, to the letter.
    pub to: PathBuf,
    /// Its owner.
    pub uid: u32,
    /// Whether a user other than root or the caller could replace it, or a directory on the way to it: the directory that
    /// holds it belongs to someone else, or others may write there and the sticky bit does not protect it.
    pub loose: bool,
}

/// A path followed to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The links gone through, in order; the jail makes the same ones.
    pub links: Vec<Link>,
    /// The path without any link in it.
    pub real: PathBuf,
    /// What is there.
    pub meta: Meta,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_as_std_joins_them() {
        let parts = ["", "/", "//", "a", "/a", "a/", "/a/b", "/a//", ".", "..", "/a/.", "a/../b", "./a"];
        for directory in parts.map(Path::new) {
            for name in parts {
                let expected = directory.join(name);
                assert_eq!(join(directory, name).as_os_str(), expected.as_os_str(), "{directory:?} {name:?}");
            }
        }
    }
}
