//! FreeBSD: rtld(1), `find_library` in its `libexec/rtld-elf/rtld.c`.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Directories, Directory, Found, Search};
use crate::closure::How;
use crate::hints::ld_elf_hints;
use crate::tokens::{self, Token};
use crate::walk::{INTERPRETER, MAIN, Walk};

/// `LD_PRELOAD`.
pub(super) fn preloads(walk: &Walk<'_, '_>) -> Vec<String> {
    let variable = variable(walk, "PRELOAD").unwrap_or_default();
    variable.split([' ', '\t', ':', ';']).filter(|name| !name.is_empty()).map(Into::into).collect()
}

pub(super) fn find(walk: &mut Walk<'_, '_>, name: &str, by: usize) -> Found {
    // It takes the first file of the name, whatever is in it.
    let mut search = Search::strict();
    if name.contains('/') {
        let path = walk.request.cwd.join(name);
        search.asked(&path);
        return search.file(walk, path, How::Path).unwrap_or_else(|| search.nothing());
    }
    by_name(walk, &mut search, name, by).unwrap_or_else(|| search.nothing())
}

fn by_name(walk: &mut Walk<'_, '_>, search: &mut Search, name: &str, by: usize) -> Option<Found> {
    // Not the chain of loaders, as in glibc: only the object itself and the program. With RUNPATH neither counts.
    if walk.loaded[by].object.runpath.is_none() {
        for at in if by == MAIN { vec![MAIN] } else { vec![by, MAIN] } {
            let directories = rpath(walk, at);
            let found = search.directories(walk, &directories, name, How::Rpath);
            if found.is_some() {
                return found;
            }
        }
    }
    let directories = library_path(walk);
    let found = search.directories(walk, &directories, name, How::LibraryPath);
    if found.is_some() {
        return found;
    }
    let directories = runpath(walk, by);
    let found = search.directories(walk, &directories, name, How::Runpath);
    if found.is_some() {
        return found;
    }
    let standard = standard(walk);
    let mut hints = hints(walk);
    let no_default_lib = walk.loaded[by].object.no_default_lib;
    if no_default_lib {
        hints.retain(|path| !standard.contains(path));
    }
    let directories = plain(walk, hints);
    let found = search.directories(walk, &directories, name, How::Hints);
    if found.is_some() || no_default_lib {
        return found;
    }
    let directories = plain(walk, standard);
    search.directories(walk, &directories, name, How::Default)
}

/// `LD_32_` is what 32-bit programs on a 64-bit system look at.
fn variable(walk: &Walk<'_, '_>, name: &str) -> Option<String> {
    let prefix = if compat(walk) { "LD_32_" } else { "LD_" };
    walk.request.env.get(&format!("{prefix}{name}")).cloned()
}

fn compat(walk: &Walk<'_, '_>) -> bool {
    walk.loaded[INTERPRETER].path.file_name().is_some_and(|name| name == "ld-elf32.so.1")
}

fn hints(walk: &mut Walk<'_, '_>) -> Vec<PathBuf> {
    let place = variable(walk, "ELF_HINTS_PATH")
        .unwrap_or_else(|| if compat(walk) { ld_elf_hints::PATH_32.into() } else { ld_elf_hints::PATH.into() });
    let bytes = walk.finder.small_file(Path::new(&place), ld_elf_hints::MAX).unwrap_or_default();
    paths(walk, ld_elf_hints::directories(&bytes).unwrap_or_default())
}

/// Compiled into the interpreter.
fn standard(walk: &mut Walk<'_, '_>) -> Vec<PathBuf> {
    let interpreter = walk.loaded[INTERPRETER].resolved.clone();
    let built_in = walk.finder.open(&interpreter).ok().and_then(|file| super::compiled_path(&*file));
    let usual = if compat(walk) { "/lib32:/usr/lib32" } else { "/lib:/usr/lib" };
    paths(walk, built_in.as_deref().unwrap_or(usual))
}

fn paths(walk: &Walk<'_, '_>, text: &str) -> Vec<PathBuf> {
    let elements = text.split(':').filter(|element| !element.is_empty());
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
    let text = variable(walk, "LIBRARY_PATH").unwrap_or_default().replace(';', ":");
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
/// kernel, not from /proc.
pub(super) fn expand(walk: &Walk<'_, '_>, text: &str, of: usize) -> Option<String> {
    let origin = walk.loaded[of].resolved.real.parent().and_then(Path::to_str);
    let tokens = [
        Token { name: "ORIGIN", value: origin },
        Token { name: "OSNAME", value: Some("FreeBSD") },
        Token { name: "OSREL", value: walk.finder.system.release.as_deref() },
        Token { name: "PLATFORM", value: walk.finder.system.cpu.platform.as_deref() },
        Token { name: "LIB", value: Some(if compat(walk) { "lib32" } else { "lib" }) },
    ];
    tokens::expand(text, &tokens).map(|expanded| expanded.text)
}
