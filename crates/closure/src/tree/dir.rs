//! A directory of this system as a [`Tree`]: `/`, or the one given by `--root`. The only file here that does I/O.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, CWD, Dir, DirEntry, FileType, Mode, OFlags, RawMode, Stat};
use rustix::io::Errno;

use super::{FileId, Kind, Meta, ReadAt, Resolved, Tree};

/// A directory whose inside is looked at as if it were `/`.
///
/// It is held open, so what is read later is below the same directory even if that is renamed.
#[derive(Debug)]
pub struct DirTree {
    root: OwnedFd,
    /// The directory that was last looked into, without slashes at its ends, and open from the second look on: most of the
    /// libraries of a program are in one, to which the kernel then need not go again for each.
    last: RefCell<(Vec<u8>, Option<Rc<OwnedFd>>)>,
}

impl DirTree {
    /// The tree of this system, `/`.
    pub fn host() -> io::Result<Self> {
        Self::open_root(Path::new("/"))
    }

    /// The tree below `root`.
    pub fn open_root(root: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: rustix::fs::openat(CWD, root, flags, Mode::empty())?, last: RefCell::default() })
    }

    /// Calls the system with a directory and the rest of a path.
    fn at<T>(&self, path: &Path, call: impl FnOnce(BorrowedFd<'_>, &Path) -> Result<T, Errno>) -> io::Result<T> {
        if let Some((directory, name)) = self.again(path) {
            return Ok(call(directory.as_fd(), name)?);
        }
        let path = below(path)?;
        let bytes = path.as_os_str().as_bytes();
        if let Some(cut) = bytes.iter().rposition(|&byte| byte == b'/') {
            let mut last = self.last.borrow_mut();
            last.0.clear();
            last.0.extend_from_slice(bytes.get(..cut).unwrap_or_default());
            last.1 = None;
        }
        Ok(call(self.root.as_fd(), path)?)
    }

    /// The directory of a path, if it is the one that was last looked into, and the name in it.
    fn again<'p>(&self, path: &'p Path) -> Option<(Rc<OwnedFd>, &'p Path)> {
        let mut last = self.last.borrow_mut();
        let (directory, opened) = &mut *last;
        let rest = path.as_os_str().as_bytes().strip_prefix(b"/")?;
        let name = rest.strip_prefix(&**directory).filter(|_| !directory.is_empty())?.strip_prefix(b"/")?;
        if matches!(name, b"" | b"..") || name.contains(&b'/') {
            return None;
        }
        if opened.is_none() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let found = rustix::fs::openat(&self.root, OsStr::from_bytes(directory), flags, Mode::empty());
            *opened = found.ok().map(Rc::new);
        }
        Some((Rc::clone(opened.as_ref()?), Path::new(OsStr::from_bytes(name))))
    }
}

impl Tree for DirTree {
    fn lstat(&self, path: &Path) -> io::Result<Meta> {
        let stat = self.at(path, |at, name| rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW))?;
        meta(&stat)
    }

    fn readlink(&self, path: &Path) -> io::Result<PathBuf> {
        // Few links are longer, and those fill it.
        let mut buffer = [0; 256];
        let len = self.at(path, |at, name| rustix::fs::readlinkat_raw(at, name, &mut buffer[..]))?;
        if let Some(target) = buffer.get(..len).filter(|target| target.len() < buffer.len()) {
            return Ok(OsStr::from_bytes(target).into());
        }
        let target = self.at(path, |at, name| rustix::fs::readlinkat(at, name, Vec::new()))?;
        Ok(OsString::from_vec(target.into_bytes()).into())
    }

    fn open(&self, path: &Path) -> io::Result<Rc<dyn ReadAt>> {
        // A device may act on being opened, so the type is asked for before.
        must_be_regular(self.lstat(path)?.kind)?;
        self.open_regular(path)
    }

    fn open_found(&self, found: &Resolved) -> io::Result<Rc<dyn ReadAt>> {
        must_be_regular(found.meta.kind)?;
        self.open_regular(&found.real)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let mut names = self.read_dir(path, |entry| entry.file_name().to_bytes().to_vec())?;
        names.sort_unstable();
        Ok(names.into_iter().map(OsString::from_vec).collect())
    }

    fn entries(&self, path: &Path) -> io::Result<Vec<(OsString, Kind)>> {
        let name = |entry: &DirEntry| (entry.file_name().to_bytes().to_vec(), kind(entry.file_type()));
        let mut names = self.read_dir(path, name)?;
        names.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        let known = |(name, kind): (Vec<u8>, Option<Kind>)| {
            let name = OsString::from_vec(name);
            // Not every file system tells.
            let kind = kind.or_else(|| self.lstat(&path.join(&name)).ok().map(|meta| meta.kind))?;
            Some((name, kind))
        };
        Ok(names.into_iter().filter_map(known).collect())
    }
}

impl DirTree {
    fn read_dir<T>(&self, path: &Path, mut take: impl FnMut(&DirEntry) -> T) -> io::Result<Vec<T>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.root, below(path)?, flags, Mode::empty())?;
        let mut all = Vec::new();
        for entry in Dir::new(fd)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                all.push(take(&entry));
            }
        }
        Ok(all)
    }

    /// Opens what was a regular file a moment ago.
    fn open_regular(&self, path: &Path) -> io::Result<Rc<dyn ReadAt>> {
        // Something else may have taken its place: a FIFO would block without NONBLOCK.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = self.at(path, |at, name| rustix::fs::openat(at, name, flags, Mode::empty()))?;
        let meta = meta(&rustix::fs::fstat(&file)?)?;
        must_be_regular(meta.kind)?;
        Ok(Rc::new(HostFile { file, len: meta.size }))
    }
}

/// The path relative to the root's descriptor. A `..` would lead out of it.
fn below(path: &Path) -> io::Result<&Path> {
    let bytes = path.as_os_str().as_bytes().strip_prefix(b"/").ok_or_else(|| invalid("not an absolute path"))?;
    // Two dots in a row are rare, and looked for faster.
    let dots = bytes.windows(2).any(|pair| pair == b"..");
    if dots && bytes.split(|&byte| byte == b'/').any(|name| name == b"..") {
        return Err(invalid("a `..` in a path that is already followed"));
    }
    // Where a second slash follows it would be an absolute path again.
    let start = bytes.iter().position(|&byte| byte != b'/').unwrap_or(bytes.len());
    let relative = bytes.get(start..).unwrap_or_default();
    Ok(Path::new(OsStr::from_bytes(if relative.is_empty() { b"." } else { relative })))
}

fn must_be_regular(kind: Kind) -> io::Result<()> {
    if kind == Kind::File { Ok(()) } else { Err(invalid("not a regular file")) }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn kind(file_type: FileType) -> Option<Kind> {
    Some(match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        _ => return None,
    })
}

// The fields of struct stat have other widths and signs on every system.
#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
fn meta(stat: &Stat) -> io::Result<Meta> {
    let kind = kind(FileType::from_raw_mode(stat.st_mode as RawMode));
    let kind = kind.ok_or_else(|| invalid("a type of file that is not known"))?;
    Ok(Meta {
        id: FileId { dev: stat.st_dev as u64, ino: stat.st_ino as u64 },
        kind,
        mode: stat.st_mode as u32 & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        nlink: stat.st_nlink as u64,
        size: stat.st_size as u64,
    })
}

/// An open regular file.
struct HostFile {
    file: OwnedFd,
    len: u64,
}

impl ReadAt for HostFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            let read = match rustix::io::pread(&self.file, &mut *buf, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            buf = buf.get_mut(read..).unwrap_or_default();
            offset += read as u64;
        }
        Ok(())
    }

    /// Into memory that nobody filled with zeros before.
    fn read_vec_at(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let next = offset + bytes.len() as u64;
            match rustix::io::pread(&self.file, spare_capacity(&mut bytes), next) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // A vector may have more room than was asked for.
        bytes.truncate(len);
        Ok(bytes)
    }
}
