//! Reads /etc/libmap.conf and what it includes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::find::Finder;
use crate::hints::libmap::{self, LibMap, Line};
use crate::tree::{FileId, Kind};

/// Files that include each other are read once each; this many of them at most.
const FILES_MAX: usize = 1024;

/// What was read, by name and by file.
#[derive(Default)]
struct Seen {
    paths: Vec<PathBuf>,
    ids: Vec<FileId>,
}

pub(super) fn read(finder: &mut Finder<'_>, place: &str) -> LibMap {
    let mut map = LibMap::default();
    file(finder, &mut map, &mut Seen::default(), Path::new(place));
    map
}

/// The lines of the environment.
pub(super) fn read_text(finder: &mut Finder<'_>, map: &mut LibMap, text: &str) {
    parse(finder, map, &mut Seen::default(), text.as_bytes());
}

fn file(finder: &mut Finder<'_>, map: &mut LibMap, seen: &mut Seen, path: &Path) {
    if seen.paths.iter().any(|known| known == path) || seen.ids.len() >= FILES_MAX {
        return;
    }
    let Ok(found) = finder.resolver.resolve(path) else { return };
    let Some(bytes) = finder.small_file(path, libmap::MAX) else { return };
    if seen.ids.contains(&found.meta.id) {
        return;
    }
    seen.paths.push(path.into());
    seen.ids.push(found.meta.id);
    parse(finder, map, seen, &bytes);
}

fn directory(finder: &mut Finder<'_>, map: &mut LibMap, seen: &mut Seen, path: &Path) {
    if seen.paths.iter().any(|known| known == path) || seen.paths.len() >= FILES_MAX {
        return;
    }
    let Ok(found) = finder.resolver.resolve(path) else { return };
    let Ok(entries) = finder.resolver.tree().entries(&found.real) else { return };
    seen.paths.push(path.into());
    // rtld takes them as they stand in the directory, which is no order that could be known.
    for (name, kind) in entries {
        if kind == Kind::File && Path::new(&name).extension() == Some(OsStr::new("conf")) {
            file(finder, map, seen, &path.join(&name));
        }
    }
}

fn parse(finder: &mut Finder<'_>, map: &mut LibMap, seen: &mut Seen, text: &[u8]) {
    let mut constraint = None;
    for line in libmap::lines(text) {
        match line {
            Line::Constraint(name) => constraint = Some(name),
            Line::Map(from, to) => map.add(constraint, from, to),
            Line::Include(path) => file(finder, map, seen, Path::new(path)),
            Line::IncludeDirectory(path) => directory(finder, map, seen, Path::new(path)),
        }
    }
}
