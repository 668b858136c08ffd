//! Where an object is looked for by its name: the rules of each run-time linker.

pub(crate) mod glibc;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::closure::{How, Loader, Refused};
use crate::elf::{ElfError, Object};
use crate::tree::{Kind, Resolved};
use crate::walk::{MAIN, Walk};

/// A search path, split and expanded.
pub(crate) type Directories = Rc<[Directory]>;

/// A directory of a search path.
#[derive(Clone)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    /// It and its sub-directories for better processors, in the order of search, as far as they exist.
    pub(crate) existing: Rc<[PathBuf]>,
    /// It was written with `$ORIGIN` of the program.
    pub(crate) main_origin: bool,
}

/// What a search ends with.
pub(crate) enum Found {
    /// A file.
    At { path: PathBuf, resolved: Resolved, object: Rc<Object>, how: How, main_origin: bool },
    /// Nothing.
    Not { searched: Vec<PathBuf>, refused: Vec<Refused> },
}

/// Whose rules an interpreter follows: by its name, and for one that is called otherwise by the program's OS ABI.
pub(crate) fn flavour(interpreter: &str, program: &Object) -> Loader {
    let name = interpreter.rsplit('/').next().unwrap_or(interpreter);
    let freebsd = program.osabi == object::elf::ELFOSABI_FREEBSD.0 && !name.starts_with("ld-linux");
    match name {
        _ if name.starts_with("ld-musl-") => Loader::Musl,
        _ if name.starts_with("ld-elf") || freebsd => Loader::FreeBsd,
        _ => Loader::Glibc,
    }
}

/// The names of the objects that come before all libraries.
pub(crate) fn preloads(walk: &mut Walk<'_, '_>, loader: Loader) -> Vec<String> {
    match loader {
        Loader::Glibc => glibc::preloads(walk),
        Loader::Musl | Loader::FreeBsd => Vec::new(),
    }
}

/// A needed name with its tokens replaced; none where one of them has no value.
pub(crate) fn expand(walk: &mut Walk<'_, '_>, loader: Loader, name: &str, by: usize) -> Option<String> {
    match loader {
        Loader::Glibc => glibc::expand(walk, name, by).map(|expanded| expanded.text),
        Loader::Musl | Loader::FreeBsd => Some(name.into()),
    }
}

/// Looks for an object that the one at `by` needs.
pub(crate) fn find(walk: &mut Walk<'_, '_>, loader: Loader, name: &str, by: usize) -> Found {
    match loader {
        Loader::Glibc => glibc::find(walk, name, by),
        Loader::Musl | Loader::FreeBsd => Found::Not { searched: Vec::new(), refused: Vec::new() },
    }
}

/// One search under way: the places tried so far.
#[derive(Default)]
pub(crate) struct Search {
    searched: Vec<PathBuf>,
    refused: Vec<Refused>,
    /// A file was met at which the loader gives up instead of looking further.
    stopped: bool,
}

impl Search {
    /// Tries a name in directories, in order.
    pub(crate) fn directories(
        &mut self,
        walk: &mut Walk<'_, '_>,
        directories: &[Directory],
        name: &str,
        how: How,
    ) -> Option<Found> {
        for directory in directories {
            if self.stopped {
                return None;
            }
            for existing in &*directory.existing {
                if let Some(Found::At { path, resolved, object, .. }) = self.file(walk, existing.join(name), how) {
                    return Some(Found::At { path, resolved, object, how, main_origin: directory.main_origin });
                }
            }
            self.searched.push(directory.path.clone());
        }
        None
    }

    /// Tries one file.
    pub(crate) fn file(&mut self, walk: &mut Walk<'_, '_>, path: PathBuf, how: How) -> Option<Found> {
        if self.stopped {
            return None;
        }
        let resolved = walk.finder.resolver.resolve(&path).ok()?;
        let program = &walk.loaded[MAIN].object;
        let (why, stops) = if resolved.meta.kind != Kind::File {
            ("it is not a regular file".to_owned(), true)
        } else {
            match walk.finder.object(&resolved) {
                // Another class or machine is not for us; the search goes on.
                Ok(object) if object.machine != program.machine => {
                    (format!("it is made for {}", object.machine), false)
                }
                Ok(object) if !object.is_loadable() => ("it is no shared object".to_owned(), true),
                Ok(object) => return Some(Found::At { path, resolved, object, how, main_origin: false }),
                Err(ElfError::Io(error)) => (format!("it can't be read: {error}"), false),
                Err(error) => (error.to_string(), true),
            }
        };
        self.refused.push(Refused { path, why });
        self.stopped = stops;
        None
    }

    /// Puts down a place that was asked.
    pub(crate) fn asked(&mut self, path: &Path) {
        self.searched.push(path.into());
    }

    pub(crate) fn nothing(self) -> Found {
        Found::Not { searched: self.searched, refused: self.refused }
    }
}
