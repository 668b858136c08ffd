//! FreeBSD: rtld(1), `find_library` in its `libexec/rtld-elf/rtld.c`.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Directories, Directory, Found, Search};
use crate::closure::{How, Map};
use crate::hints::{ld_elf_hints, libmap};
use crate::tokens::{self, Token};
use crate::walk::{INTERPRETER, MAIN, Walk};

mod maps;

/// Reads libmap.conf and `LD_LIBMAP`.
pub(super) fn prepare(walk: &mut Walk<'_, '_>) {
    if variable(walk, "LIBMAP_DISABLE").is_some() {
        return;
    }
    let place = if compat(walk) { libmap::PATH_32 } else { libmap::PATH };
    let mut map = match walk.finder.libmaps.get(place) {
        Some(known) => known.clone(),
        None => {
            let known = maps::read(walk.finder, place);
            walk.finder.libmaps.insert(place, known.clone());
            known
        }
    };
    if let Some(value) = variable(walk, "LIBMAP") {
        maps::read_text(walk.finder, &mut map, &libmap::variable(&value));
    }
    walk.libmap = map;
}

/// `LD_PRELOAD`.
pub(super) fn preloads(walk: &Walk<'_, '_>) -> Vec<String> {
    let variable = variable(walk, "PRELOAD").unwrap_or_default();
    variable.split([' ', '\t', ':', ';']).filter(|name| !name.is_empty()).map(Into::into).collect()
}

pub(super) fn find(walk: &mut Walk<'_, '_>, name: &str, by: usize) -> Found {
    let mapped = if walk.preloading { None } else { map(walk, name, by) };
    let name = mapped.as_deref().unwrap_or(name);
    // It takes the first file of the name, whatever is in it.
    let mut search = Search::strict();
    if name.contains('/') {
        let name = expand(walk, name, by).unwrap_or_default();
        let path = walk.request.cwd.join(&name);
        search.asked(&path);
        if walk.request.secure && !name.starts_with('/') {
            return search.nothing();
        }
        return search.file(walk, path, How::Path).unwrap_or_else(|| search.nothing());
    }
    by_name(walk, &mut search, name, by).unwrap_or_else(|| search.nothing())
}

/// What libmap.conf has in the place of `from`, which the object at `by` asks for.
fn map(walk: &mut Walk<'_, '_>, from: &str, by: usize) -> Option<String> {
    let path = if walk.is_executed(by) { &walk.resolved(by).real } else { walk.path(by) };
    let path = if walk.preloading { "" } else { path.to_str()? }.to_owned();
    let to = walk.libmap.find(&path, from)?;
    let map = Map { by: path, from: from.into(), to: to.clone() };
    if walk.mapped.insert(map.clone()) {
        walk.out.maps.push(map);
    }
    Some(to)
}

/// Where objects are looked for, one after the other.
#[derive(Clone, Copy)]
enum Place {
    OwnRpath,
    MainRpath,
    LibraryPath,
    Runpath,
    Hints,
    Standard,
}

impl Place {
    /// Not the chain of loaders, as in glibc: only the object itself and the program.
    const ORDER: [Self; 6] =
        [Self::OwnRpath, Self::MainRpath, Self::LibraryPath, Self::Runpath, Self::Hints, Self::Standard];
    /// With `LD_LIBRARY_PATH_RPATH`, for an object that has a `DT_RPATH`.
    const LIBRARY_PATH_FIRST: [Self; 4] = [Self::LibraryPath, Self::OwnRpath, Self::Hints, Self::Standard];
    /// For what is preloaded, and so needed by no object.
    const OF_NOBODY: [Self; 2] = [Self::LibraryPath, Self::Hints];
}

fn by_name(walk: &mut Walk<'_, '_>, search: &mut Search, name: &str, by: usize) -> Option<Found> {
    let object = Rc::clone(&walk.loaded[by].object);
    let has_rpath = object.rpath.is_some() && object.runpath.is_none();
    let turned = has_rpath
        && variable(walk, "LIBRARY_PATH_RPATH")
            .is_some_and(|value| matches!(value.as_bytes().first(), Some(b'1' | b'y' | b'Y')));
    let order: &[Place] = match turned {
        _ if walk.preloading => &Place::OF_NOBODY,
        true => &Place::LIBRARY_PATH_FIRST,
        false => &Place::ORDER,
    };
    let no_default_lib = object.no_default_lib && !turned && !walk.preloading;
    for place in order {
        let (directories, how): (Directories, _) = match place {
            Place::OwnRpath => (rpath(walk, by), How::Rpath),
            // An object with a RUNPATH has no use for it.
            Place::MainRpath if object.runpath.is_none() && by != MAIN => (rpath(walk, MAIN), How::Rpath),
            Place::LibraryPath => (library_path(walk), How::LibraryPath),
            Place::Runpath => (runpath(walk, by), How::Runpath),
            Place::Hints => (hints(walk, no_default_lib), How::Hints),
            Place::Standard if !no_default_lib => (standard(walk), How::Default),
            Place::MainRpath | Place::Standard => continue,
        };
        let directories = mapped(walk, search, directories, by);
        let found = search.directories(walk, &directories, name, how);
        if found.is_some() {
            return found;
        }
    }
    None
}

/// libmap.conf may have other directories in the place of these.
fn mapped(walk: &mut Walk<'_, '_>, search: &mut Search, directories: Directories, by: usize) -> Directories {
    if walk.libmap.is_empty() {
        return directories;
    }
    let mut out = Vec::with_capacity(directories.len());
    for directory in &*directories {
        // To look it up takes about as long as to look for a file in it.
        if !search.may_try(walk, &directory.path) {
            break;
        }
        let to = directory.path.to_str().map(str::to_owned).and_then(|path| map(walk, &path, by));
        out.push(match to {
            Some(to) => Directory::plain(walk, walk.request.cwd.join(to), false),
            None => directory.clone(),
        });
    }
    out.into()
}

/// `LD_32_` is what 32-bit programs on a 64-bit system look at. In a program with more rights nothing of it counts.
fn variable(walk: &Walk<'_, '_>, name: &str) -> Option<String> {
    let prefix = if compat(walk) { "LD_32_" } else { "LD_" };
    walk.request.env.get(&format!("{prefix}{name}")).filter(|_| !walk.request.secure).cloned()
}

fn compat(walk: &Walk<'_, '_>) -> bool {
    walk.path(INTERPRETER).file_name().is_some_and(|name| name == "ld-elf32.so.1")
}

fn hints(walk: &mut Walk<'_, '_>, no_default_lib: bool) -> Directories {
    if let Some(known) = walk.known.get(&(How::Hints, no_default_lib)) {
        return Rc::clone(known);
    }
    let place = variable(walk, "ELF_HINTS_PATH")
        .unwrap_or_else(|| if compat(walk) { ld_elf_hints::PATH_32.into() } else { ld_elf_hints::PATH.into() });
    let bytes = walk.finder.small_file(Path::new(&place), ld_elf_hints::MAX).unwrap_or_default();
    let mut hints = paths(walk, ld_elf_hints::directories(&bytes).unwrap_or_default());
    if no_default_lib {
        let standard = standard(walk);
        hints.retain(|path| standard.iter().all(|directory| directory.path != *path));
    }
    let hints: Directories = plain(walk, hints).into();
    walk.known.insert((How::Hints, no_default_lib), Rc::clone(&hints));
    hints
}

/// Compiled into the interpreter.
fn standard(walk: &mut Walk<'_, '_>) -> Directories {
    if let Some(known) = walk.known.get(&(How::Default, false)) {
        return Rc::clone(known);
    }
    let built_in = super::compiled_path(walk);
    let usual = if compat(walk) { "/lib32:/usr/lib32" } else { "/lib:/usr/lib" };
    let paths = paths(walk, built_in.as_deref().unwrap_or(usual));
    let standard: Directories = plain(walk, paths).into();
    walk.known.insert((How::Default, false), Rc::clone(&standard));
    standard
}

fn paths(walk: &Walk<'_, '_>, text: &str) -> Vec<PathBuf> {
    let secure = walk.request.secure;
    let elements =
        text.split([':', ';']).filter(|element| !element.is_empty() && (!secure || element.starts_with('/')));
    elements.map(|element| walk.request.cwd.join(element)).collect()
}

fn plain(walk: &mut Walk<'_, '_>, paths: Vec<PathBuf>) -> Vec<Directory> {
    paths.into_iter().map(|path| Directory::plain(walk, path, false)).collect()
}

fn rpath(walk: &mut Walk<'_, '_>, at: usize) -> Directories {
    let loaded = &walk.loaded[at];
    if let Some(known) = &loaded.rpath {
        return Rc::clone(known);
    }
    let text = loaded.object.rpath.clone().filter(|_| loaded.object.runpath.is_none());
    let split = split(walk, text, at);
    walk.loaded[at].rpath = Some(Rc::clone(&split));
    split
}

fn runpath(walk: &mut Walk<'_, '_>, at: usize) -> Directories {
    let loaded = &walk.loaded[at];
    if let Some(known) = &loaded.runpath {
        return Rc::clone(known);
    }
    let text = loaded.object.runpath.clone();
    let split = split(walk, text, at);
    walk.loaded[at].runpath = Some(Rc::clone(&split));
    split
}

fn library_path(walk: &mut Walk<'_, '_>) -> Directories {
    if let Some(known) = &walk.library_path {
        return Rc::clone(known);
    }
    let text = variable(walk, "LIBRARY_PATH").unwrap_or_default();
    let paths = paths(walk, &text);
    let split: Directories = plain(walk, paths).into();
    walk.library_path = Some(Rc::clone(&split));
    split
}

fn split(walk: &mut Walk<'_, '_>, text: Option<String>, of: usize) -> Directories {
    let expanded = text.and_then(|text| expand(walk, &text, of)).unwrap_or_default();
    let paths = paths(walk, &expanded);
    plain(walk, paths).into()
}

/// `origin_subst`: unlike with glibc the origin is without links for libraries too, and the program's comes from the
/// kernel, not from /proc. For a program with more rights than its caller tokens are no tokens.
fn expand(walk: &Walk<'_, '_>, text: &str, of: usize) -> Option<String> {
    if walk.request.secure {
        return Some(text.into());
    }
    let origin = walk.resolved(of).real.parent().and_then(Path::to_str);
    let tokens = [
        Token { name: "ORIGIN", value: origin },
        Token { name: "OSNAME", value: Some("FreeBSD") },
        Token { name: "OSREL", value: walk.finder.system.release.as_deref() },
        Token { name: "PLATFORM", value: walk.finder.system.cpu.platform.as_deref() },
        Token { name: "LIB", value: Some(if compat(walk) { "lib32" } else { "lib" }) },
    ];
    tokens::expand(text, &tokens).map(|expanded| expanded.text)
}
