//! A library that is there and is not found, since ldconfig(8) did not run after it came: its directory is in ld.so.conf.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::super::Search;
use crate::closure::Refused;
use crate::find::Finder;
use crate::hints::ld_so_conf::{self, Line};
use crate::tree::Kind;
use crate::walk::{MAIN, Walk};

/// Files that include each other are read once each; this many of them, and of directories, at most.
const FILES_MAX: usize = 1024;
/// As many patterns are looked up: each lists a directory.
const INCLUDES_MAX: usize = 64;

/// Puts down why a library that was looked for everywhere is not found, where that can be told.
pub(super) fn look(walk: &mut Walk<'_, '_>, search: &mut Search, name: &str) {
    let directories = match &walk.finder.conf {
        Some(known) => Rc::clone(known),
        None => {
            let read: Rc<[PathBuf]> = read(walk.finder).into();
            walk.finder.conf = Some(Rc::clone(&read));
            read
        }
    };
    let machine = walk.loaded[MAIN].object.machine;
    for directory in &*directories {
        let path = directory.join(name);
        if !search.may_try(walk, &path) {
            return;
        }
        let found = walk.finder.resolver.resolve(&path).ok().filter(|found| found.meta.kind == Kind::File);
        let object = found.and_then(|found| walk.finder.object(&found).ok());
        if object.is_some_and(|object| object.machine == machine && object.is_loadable()) {
            let why = "ld.so.conf names its directory, ld.so.cache does not name it: run ldconfig(8)".into();
            return search.refuse(Refused { path, why });
        }
    }
}

/// The directories of /etc/ld.so.conf and of what it includes.
fn read(finder: &mut Finder<'_>) -> Vec<PathBuf> {
    let (mut directories, mut seen) = (Vec::new(), Vec::new());
    let mut queue = vec![PathBuf::from(ld_so_conf::PATH)];
    let (mut includes, mut files) = (INCLUDES_MAX, FILES_MAX);
    while let Some(path) = queue.pop() {
        let Ok(found) = finder.resolver.resolve(&path) else { continue };
        if seen.contains(&found.meta.id) || seen.len() == FILES_MAX {
            continue;
        }
        seen.push(found.meta.id);
        let Some(bytes) = finder.small_file(&path, ld_so_conf::MAX) else { continue };
        let mut included = Vec::new();
        for line in ld_so_conf::lines(&bytes) {
            match line {
                Line::Directory(directory) if directories.len() < FILES_MAX => directories.push(directory.into()),
                Line::Directory(_) => {}
                Line::Include(pattern) if includes > 0 => {
                    includes -= 1;
                    let base = path.parent().unwrap_or(Path::new("/"));
                    included.extend(matching(finder, &base.join(pattern)));
                }
                Line::Include(_) => {}
            }
        }
        included.truncate(files);
        files -= included.len();
        queue.extend(included.into_iter().rev());
    }
    directories
}

/// The files that fit a pattern. Only its last name is taken for one: nobody writes others.
fn matching(finder: &mut Finder<'_>, pattern: &Path) -> Vec<PathBuf> {
    let (Some(directory), Some(name)) = (pattern.parent(), pattern.file_name().and_then(OsStr::to_str)) else {
        return Vec::new();
    };
    if !name.contains(['*', '?', '[', '\\']) {
        return vec![pattern.into()];
    }
    let Ok(found) = finder.resolver.resolve(directory) else { return Vec::new() };
    let entries = finder.resolver.tree().list(&found.real).unwrap_or_default();
    let fits = |entry: &&std::ffi::OsString| entry.to_str().is_some_and(|entry| ld_so_conf::fits(name, entry));
    entries.iter().filter(fits).map(|entry| directory.join(entry)).take(FILES_MAX).collect()
}
