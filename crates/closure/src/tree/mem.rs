//! A tree in memory: for tests, and for the planned inside of a jail.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{FileId, Kind, Meta, ReadAt, Tree};

/// A tree in memory. Names are put in by absolute paths without links among their parents; directories that lack are made,
/// owned by root with mode 0755.
///
/// ```
/// use thinjail_closure::tree::{MemTree, resolve};
///
/// let mut tree = MemTree::new();
/// tree.file("/usr/bin/true", b"\x7fELF").link("/bin", "usr/bin");
/// let found = resolve(&tree, 0, "/bin/true".as_ref())?;
/// assert_eq!(found.real.to_str(), Some("/usr/bin/true"));
/// assert_eq!(found.links.len(), 1);
/// # Ok::<(), thinjail_closure::tree::ResolveError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemTree {
    nodes: BTreeMap<PathBuf, Node>,
    next_ino: u64,
}

#[derive(Clone, Debug)]
struct Node {
    meta: Meta,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    None,
    File(Rc<[u8]>),
    Link(PathBuf),
}

impl Default for MemTree {
    fn default() -> Self {
        Self::new()
    }
}

impl MemTree {
    /// A tree with nothing but its root.
    #[must_use]
    pub fn new() -> Self {
        let mut tree = Self { nodes: BTreeMap::new(), next_ino: 1 };
        tree.put(Path::new("/"), Kind::Directory, 0o755, 0, Content::None);
        tree
    }

    /// A regular file of mode 0755, owned by root.
    pub fn file(&mut self, path: impl AsRef<Path>, bytes: &[u8]) -> &mut Self {
        let size = bytes.len() as u64;
        self.put(path.as_ref(), Kind::File, 0o755, size, Content::File(bytes.into()));
        self
    }

    /// A directory.
    pub fn directory(&mut self, path: impl AsRef<Path>) -> &mut Self {
        self.put(path.as_ref(), Kind::Directory, 0o755, 0, Content::None);
        self
    }

    /// A symbolic link at `path` that says `to`.
    pub fn link(&mut self, path: impl AsRef<Path>, to: impl AsRef<Path>) -> &mut Self {
        let to = to.as_ref();
        self.put(path.as_ref(), Kind::Symlink, 0o777, to.as_os_str().len() as u64, Content::Link(to.into()));
        self
    }

    /// Something that can't be read: a device, a FIFO, a socket.
    pub fn special(&mut self, path: impl AsRef<Path>, kind: Kind) -> &mut Self {
        self.put(path.as_ref(), kind, 0o666, 0, Content::None);
        self
    }

    /// One more name for the file at `existing`.
    pub fn hard_link(&mut self, path: impl AsRef<Path>, existing: impl AsRef<Path>) -> &mut Self {
        if let Some(node) = self.nodes.get(existing.as_ref()).cloned() {
            self.make_parents(path.as_ref());
            self.nodes.insert(path.as_ref().into(), node);
        }
        self
    }

    /// Changes what lstat(2) says of a name that is there: owner, mode, identity.
    pub fn set(&mut self, path: impl AsRef<Path>, change: impl FnOnce(&mut Meta)) -> &mut Self {
        if let Some(node) = self.nodes.get_mut(path.as_ref()) {
            change(&mut node.meta);
        }
        self
    }

    fn put(&mut self, path: &Path, kind: Kind, mode: u32, size: u64, content: Content) {
        self.make_parents(path);
        let id = FileId { dev: 1, ino: self.next_ino };
        self.next_ino += 1;
        let meta = Meta { id, kind, mode, uid: 0, gid: 0, nlink: 1, size };
        self.nodes.insert(path.into(), Node { meta, content });
    }

    fn make_parents(&mut self, path: &Path) {
        if let Some(parent) = path.parent()
            && !self.nodes.contains_key(parent)
        {
            self.put(parent, Kind::Directory, 0o755, 0, Content::None);
        }
    }

    fn node(&self, path: &Path) -> io::Result<&Node> {
        self.nodes.get(path).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Tree for MemTree {
    fn lstat(&self, path: &Path) -> io::Result<Meta> {
        self.node(path).map(|node| node.meta)
    }

    fn readlink(&self, path: &Path) -> io::Result<PathBuf> {
        match &self.node(path)?.content {
            Content::Link(to) => Ok(to.clone()),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Rc<dyn ReadAt>> {
        match &self.node(path)?.content {
            Content::File(bytes) => Ok(Rc::new(MemFile(Rc::clone(bytes)))),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        match self.node(path)?.meta.kind {
            Kind::Directory => {}
            _ => return Err(io::ErrorKind::NotADirectory.into()),
        }
        let below = self.nodes.keys().filter(|name| name.parent() == Some(path));
        Ok(below.filter_map(|name| name.file_name().map(Into::into)).collect())
    }
}

struct MemFile(Rc<[u8]>);

impl ReadAt for MemFile {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let found = start.checked_add(buf.len()).and_then(|end| self.0.get(start..end));
        buf.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
