//! The objects below a directory that is read as a whole: plug-ins, extension modules, the programs of a runtime.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Finder;
use crate::elf::Object;
use crate::tree::{Kind, ResolveError, Resolved};

/// What a file's name says of whether it is worth a look.
enum Name {
    Library,
    /// A program, if it may be executed.
    Program,
    Other,
}

impl Finder<'_> {
    /// The files below `directory` that a loader could load: libraries, plug-ins and programs that are not static, in the
    /// order of their paths. `directory` may also be one such file.
    ///
    /// They are told by their names first, so that a tree of many other files is not read: `.so` in it, or the `.node` and
    /// `.cmxs` of Node.js and OCaml; and of files that may be executed those without an ending. Links to files count, by
    /// the name of the link, which is where `$ORIGIN` of a library is; links to directories are not followed. What can't
    /// be read is left out.
    ///
    /// ```
    /// use thinjail_closure::closure::{Finder, Objects, System};
    /// use thinjail_closure::tree::MemTree;
    ///
    /// let mut tree = MemTree::new();
    /// tree.file("/srv/app/notes.txt", b"").directory("/srv/app/lib");
    /// let mut finder = Finder::new(&tree, System::default(), Objects::default());
    /// assert!(finder.objects_below("/srv/app".as_ref())?.is_empty());
    /// assert!(finder.objects_below("/srv/none".as_ref()).is_err());
    /// # Ok::<(), thinjail_closure::tree::ResolveError>(())
    /// ```
    ///
    /// # Errors
    /// `directory` leads nowhere.
    pub fn objects_below(&mut self, directory: &Path) -> Result<Vec<PathBuf>, ResolveError> {
        let top = self.resolver.resolve(directory)?;
        let mut found = Vec::new();
        if top.meta.kind != Kind::Directory {
            found.extend(self.loadable(directory).map(|_| directory.to_owned()));
            return Ok(found);
        }
        // A directory's path as it was asked for, and without links.
        let mut queue = vec![(directory.to_owned(), top.real)];
        while let Some((path, real)) = queue.pop() {
            let Ok(entries) = self.resolver.tree().entries(&real) else { continue };
            for (name, kind) in entries {
                match (kind, what(&name)) {
                    (Kind::Directory, _) => queue.push((path.join(&name), real.join(&name))),
                    (Kind::File | Kind::Symlink, Name::Library | Name::Program) => {
                        let path = path.join(&name);
                        found.extend(self.loadable(&path).map(|_| path));
                    }
                    _ => {}
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// A file that a loader could load.
    pub(crate) fn loadable(&mut self, path: &Path) -> Option<(Resolved, Rc<Object>)> {
        let resolved = self.resolver.resolve(path).ok()?;
        let name = what(path.file_name()?);
        let executable = resolved.meta.mode & 0o111 != 0;
        if resolved.meta.kind != Kind::File || (matches!(name, Name::Program) && !executable) {
            return None;
        }
        let object = self.object(&resolved).ok().filter(|object| object.is_loadable())?;
        // A static program starts without a loader.
        let asks = object.interpreter.is_some() || !object.needs.is_empty();
        (asks || matches!(name, Name::Library)).then_some((resolved, object))
    }
}

fn what(name: &OsStr) -> Name {
    let name = name.as_bytes();
    let ending = name.iter().rposition(|&byte| byte == b'.').and_then(|at| name.get(at + 1..));
    match ending {
        Some(b"so" | b"node" | b"cmxs") => Name::Library,
        Some(_) if memchr::memmem::find(name, b".so.").is_some() => Name::Library,
        // python3.11
        Some(ending) if !ending.iter().all(u8::is_ascii_digit) => Name::Other,
        _ => Name::Program,
    }
}
