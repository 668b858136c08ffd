//! Follows a path to its end, one name at a time, as the kernel would: path_resolution(7).
//!
//! It is done here and not by the kernel so that no link leads out of a `--root` tree, so that every link gone through is
//! known (the jail makes the same ones), and so that a tree in memory follows the same rules.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Kind, Link, Meta, Resolved, Tree, join};

/// How many links are gone through before it is called a loop, as in the Linux kernel. FreeBSD gives up after 32.
pub const LINKS_MAX: usize = 40;

/// A longer path is refused, as the Linux kernel does: `PATH_MAX` without the NUL.
pub const PATH_MAX: usize = 4095;

/// Why a path has no end.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// A name on the way, or the last one, does not exist.
    #[error("{} does not exist", .at.display())]
    Missing {
        /// The first name that is not there. No link among its parents.
        at: PathBuf,
        /// The last directory that is there, with the links gone through so far.
        parent: Box<Resolved>,
    },
    /// Names follow on something that is no directory.
    #[error("{} is not a directory", .at.display())]
    NotADirectory {
        /// What is no directory.
        at: PathBuf,
    },
    /// More than [`LINKS_MAX`] links.
    #[error("follow {}: more than {LINKS_MAX} symbolic links", .path.display())]
    TooManyLinks {
        /// The path that was to be followed.
        path: PathBuf,
    },
    /// A directory on the way may not be searched.
    #[error("look up {}: permission denied", .at.display())]
    Permission {
        /// The name that could not be looked up.
        at: PathBuf,
    },
    /// Anything else that the system says, or a path that is not absolute.
    #[error("look up {}", .at.display())]
    Io {
        /// The name that could not be looked up.
        at: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Follows one path. For more than one, a [`Resolver`] asks the tree less often.
///
/// `caller` is the user id that is trusted beside 0 when [`Link::loose`] is decided.
pub fn resolve(tree: &dyn Tree, caller: u32, path: &Path) -> Result<Resolved, ResolveError> {
    Resolver::new(tree, caller).resolve(path)
}

/// Follows paths and remembers the directories it met, since the files of a closure stand in few of them. It is made for
/// one look at the tree: what changes meanwhile may go unnoticed.
pub struct Resolver<'t> {
    tree: &'t dyn Tree,
    caller: u32,
    /// Whether the links gone through are told, and so looked at.
    links: bool,
    /// By the path as it was written, not as it was followed. Paths as strings, since they are compared faster.
    directories: BTreeMap<OsString, Directory>,
    /// The last of them that was there: most files of a closure are in one.
    last: Option<(OsString, Rc<Place>)>,
    /// What is known of names that others share: directories and links, by the path without links.
    shared: BTreeMap<OsString, Shared>,
}

/// A directory, or a link and what it says.
#[derive(Clone)]
struct Shared {
    meta: Meta,
    to: Option<Rc<Path>>,
}

/// What became of the path of a directory.
#[derive(Clone)]
enum Directory {
    There(Rc<Place>),
    Missing { at: PathBuf, parent: Rc<Place> },
}

/// Where a walk stands.
#[derive(Clone)]
struct Place {
    links: Vec<Link>,
    real: PathBuf,
    /// What is at each name of `real`, the root first; never empty.
    above: Vec<Step>,
    last: Step,
}

/// One name of a path without links.
#[derive(Clone, Copy)]
struct Step {
    meta: Meta,
    /// Whether another user could put something else here.
    loose: bool,
}

impl Place {
    fn resolved(&self) -> Resolved {
        Resolved { links: self.links.clone(), real: self.real.clone(), meta: self.last.meta }
    }

    fn go_up(&mut self) {
        // `..` of the root is the root.
        if let Some(step) = self.above.pop() {
            self.last = step;
            self.real.pop();
        }
    }

    fn go_down(&mut self, name: &OsStr, step: Step) {
        self.above.push(std::mem::replace(&mut self.last, step));
        self.real.push(name);
    }

    fn go_to_root(&mut self) {
        while !self.above.is_empty() {
            self.go_up();
        }
    }
}

/// How a walk ended without an end.
enum Stop {
    Missing { at: PathBuf, parent: Rc<Place> },
    Error(ResolveError),
}

impl<'t> Resolver<'t> {
    /// A resolver over `tree`; `caller` is the user id that is trusted beside 0.
    #[must_use]
    pub fn new(tree: &'t dyn Tree, caller: u32) -> Self {
        Self { tree, caller, links: true, directories: BTreeMap::new(), last: None, shared: BTreeMap::new() }
    }

    /// One that follows links and tells none: [`Resolved::links`] is empty. Half the calls, for those who only list.
    #[must_use]
    pub fn without_links(tree: &'t dyn Tree) -> Self {
        Self { links: false, ..Self::new(tree, 0) }
    }

    /// The tree it looks at.
    #[must_use]
    pub fn tree(&self) -> &'t dyn Tree {
        self.tree
    }

    /// Follows an absolute path to its end.
    pub fn resolve(&mut self, path: &Path) -> Result<Resolved, ResolveError> {
        let (directory, name) = split(path)?;
        if path.as_os_str().len() > PATH_MAX {
            let source = io::Error::new(io::ErrorKind::InvalidFilename, "the path is too long");
            return Err(ResolveError::Io { at: path.into(), source });
        }
        let place = match self.directory(directory, path)? {
            Directory::Missing { at, parent } => {
                return Err(ResolveError::Missing { at, parent: Box::new(parent.resolved()) });
            }
            Directory::There(place) if name.is_empty() => return Ok(self.told(place.resolved())),
            Directory::There(place) => place,
        };
        if !self.links
            && let Some(found) = self.beside(&place, name)
        {
            return found;
        }
        match self.walk((*place).clone(), name, path) {
            Ok(place) => Ok(self.told(Resolved { links: place.links, real: place.real, meta: place.last.meta })),
            Err(Stop::Missing { at, parent }) => Err(ResolveError::Missing { at, parent: Box::new(parent.resolved()) }),
            Err(Stop::Error(error)) => Err(error),
        }
    }

    /// Whether a user other than root or the caller could put something else at the end of a path, or on the way to it: what
    /// [`Link::loose`] says of a link, for a file.
    ///
    /// # Errors
    /// The path has no end.
    pub fn is_loose(&mut self, path: &Path) -> Result<bool, ResolveError> {
        let walked = self.root().and_then(|root| self.walk(root, path.as_os_str(), path));
        match walked {
            Ok(place) => Ok(place.last.loose || place.links.iter().any(|link| link.loose)),
            Err(Stop::Missing { at, parent }) => Err(ResolveError::Missing { at, parent: Box::new(parent.resolved()) }),
            Err(Stop::Error(error)) => Err(error),
        }
    }

    fn told(&self, mut resolved: Resolved) -> Resolved {
        if !self.links {
            resolved.links.clear();
        }
        resolved
    }

    /// The file `name` in a directory, or the one beside it that a link leads to, as libz.so.1 to libz.so.1.2.13: the most
    /// common way by far, gone without a copy of the way to the directory. None where all has to be followed.
    fn beside(&self, place: &Place, name: &OsStr) -> Option<Result<Resolved, ResolveError>> {
        let mut real = join(&place.real, name);
        // What is called so is mostly a link, and so need not be asked whether it is one.
        let link = place.links.len() < LINKS_MAX && name.as_bytes().windows(4).any(|part| part == b".so.");
        match if link { self.tree.readlink(&real) } else { Err(io::ErrorKind::InvalidInput.into()) } {
            Ok(to) if is_name(to.as_os_str()) => real = join(&place.real, &*to),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            _ => return None,
        }
        match self.tree.lstat(&real) {
            Ok(meta) if meta.kind == Kind::Symlink || meta.kind == Kind::Directory => None,
            Ok(meta) => Some(Ok(Resolved { links: Vec::new(), real, meta })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = Box::new(self.told(place.resolved()));
                Some(Err(ResolveError::Missing { at: real, parent }))
            }
            Err(_) => None,
        }
    }

    /// Whether `path` leads to a directory. A cheap question before many names are tried in it: the answer is remembered
    /// whether yes or no.
    pub fn is_directory(&mut self, path: &Path) -> bool {
        path.as_os_str().len() <= PATH_MAX && matches!(self.directory(path, path), Ok(Directory::There(_)))
    }

    /// Follows `directory`, on the way to `path`.
    fn directory(&mut self, directory: &Path, path: &Path) -> Result<Directory, ResolveError> {
        if let Some((last, place)) = &self.last
            && last == directory.as_os_str()
        {
            return Ok(Directory::There(Rc::clone(place)));
        }
        if let Some(known) = self.directories.get(directory.as_os_str()) {
            if let Directory::There(place) = known {
                self.last = Some((directory.into(), Rc::clone(place)));
            }
            return Ok(known.clone());
        }
        // What is read from a file may have a NUL in it, and no path has.
        if !directory.is_absolute() || directory.as_os_str().as_bytes().contains(&0) {
            return Err(not_absolute(path));
        }
        let walked = self.root().and_then(|root| self.walk(root, directory.as_os_str(), path));
        let known = match walked {
            Ok(place) if place.last.meta.kind != Kind::Directory => {
                return Err(ResolveError::NotADirectory { at: place.real });
            }
            Ok(place) => Directory::There(Rc::new(place)),
            Err(Stop::Missing { at, parent }) => Directory::Missing { at, parent },
            Err(Stop::Error(error)) => return Err(error),
        };
        self.directories.insert(directory.into(), known.clone());
        Ok(known)
    }

    fn root(&mut self) -> Result<Place, Stop> {
        let root = Path::new("/");
        let meta = self.look(root).map_err(|source| Stop::Error(refused(root, source)))?.meta;
        let last = Step { meta, loose: false };
        Ok(Place { links: Vec::new(), real: root.into(), above: Vec::new(), last })
    }

    /// Goes through the names of `names` from `place` on. `path` is what was asked for.
    fn walk(&mut self, mut place: Place, names: &OsStr, path: &Path) -> Result<Place, Stop> {
        let mut names = names.to_owned();
        let mut at = 0;
        while let Some(name) = next_name(&names, &mut at) {
            if place.last.meta.kind != Kind::Directory {
                return Err(Stop::Error(ResolveError::NotADirectory { at: place.real }));
            }
            match name.as_bytes() {
                b"." => continue,
                b".." => {
                    place.go_up();
                    continue;
                }
                _ => {}
            }
            let below = join(&place.real, name);
            let Shared { meta, to } = match self.look(&below) {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(Stop::Missing { at: below, parent: Rc::new(place) });
                }
                Err(error) => return Err(Stop::Error(refused(&below, error))),
            };
            let loose = place.last.loose || self.replaceable(&place.last.meta, &meta);
            let Some(to) = to else {
                place.go_down(name, Step { meta, loose });
                continue;
            };
            if place.links.len() == LINKS_MAX {
                return Err(Stop::Error(ResolveError::TooManyLinks { path: path.into() }));
            }
            let mut rest = to.as_os_str().to_owned();
            if let Some(more) = names.as_bytes().get(at..) {
                // It begins with a slash, or is empty: a link to a file may end the path, and may not go on.
                rest.push(OsStr::from_bytes(more));
            }
            if to.is_absolute() {
                place.go_to_root();
            }
            place.links.push(Link { at: below, to: to.to_path_buf(), uid: meta.uid, loose });
            names = rest;
            at = 0;
        }
        // A slash at the end asks for a directory.
        if names.as_bytes().ends_with(b"/") && place.last.meta.kind != Kind::Directory {
            return Err(Stop::Error(ResolveError::NotADirectory { at: place.real }));
        }
        Ok(place)
    }

    /// lstat(2), and for a link readlink(2).
    fn look(&mut self, real: &Path) -> io::Result<Shared> {
        if let Some(known) = self.shared.get(real.as_os_str()) {
            return Ok(known.clone());
        }
        let meta = self.tree.lstat(real)?;
        let to = match meta.kind {
            Kind::Symlink => Some(self.tree.readlink(real)?.into()),
            Kind::Directory => None,
            // Files are seldom met twice, and a resolver may see many.
            _ => return Ok(Shared { meta, to: None }),
        };
        let found = Shared { meta, to };
        self.shared.insert(real.into(), found.clone());
        Ok(found)
    }

    /// Whether someone other than root and the caller could put something else in the place of `entry`.
    fn replaceable(&self, directory: &Meta, entry: &Meta) -> bool {
        let trusted = |uid| uid == 0 || uid == self.caller;
        let open = directory.mode & 0o022 != 0;
        let sticky = directory.mode & 0o1000 != 0;
        !trusted(directory.uid) || (open && !(sticky && trusted(entry.uid)))
    }
}

/// Whether it is one name, and none that leads elsewhere.
fn is_name(name: &OsStr) -> bool {
    !matches!(name.as_bytes(), b"" | b"." | b"..") && !name.as_bytes().contains(&b'/')
}

/// The directory part and the last name. The name is empty where the path ends in `/`, `.` or `..`: all of it is then a
/// directory's path.
fn split(path: &Path) -> Result<(&Path, &OsStr), ResolveError> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.first() != Some(&b'/') || bytes.contains(&0) {
        return Err(not_absolute(path));
    }
    let cut = bytes.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    let name = bytes.get(cut + 1..).unwrap_or_default();
    if matches!(name, b"" | b"." | b"..") {
        return Ok((path, OsStr::new("")));
    }
    let directory = bytes.get(..cut.max(1)).unwrap_or_default();
    Ok((Path::new(OsStr::from_bytes(directory)), OsStr::from_bytes(name)))
}

/// The name at `at`, which is moved behind it.
fn next_name<'n>(names: &'n OsStr, at: &mut usize) -> Option<&'n OsStr> {
    let rest = names.as_bytes().get(*at..)?;
    let start = rest.iter().position(|&byte| byte != b'/')?;
    let rest = rest.get(start..)?;
    let end = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
    *at += start + end;
    rest.get(..end).map(OsStr::from_bytes)
}

fn refused(at: &Path, source: io::Error) -> ResolveError {
    match source.kind() {
        io::ErrorKind::PermissionDenied => ResolveError::Permission { at: at.into() },
        io::ErrorKind::NotADirectory => ResolveError::NotADirectory { at: at.into() },
        _ => ResolveError::Io { at: at.into(), source },
    }
}

fn not_absolute(path: &Path) -> ResolveError {
    ResolveError::Io { at: path.into(), source: io::Error::new(io::ErrorKind::InvalidInput, "not an absolute path") }
}
