//! musl: `load_library` in its `ldso/dynlink.c`.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Directories, Directory, Found, Search};
use crate::closure::How;
use crate::hints::musl_path;
use crate::tokens::{self, Token};
use crate::walk::{INTERPRETER, MAIN, Walk};

const SEPARATORS: [char; 2] = [':', '\n'];

/// What libc.so, which is the interpreter, holds: a library of such a name is never looked for.
const RESERVED: [&str; 7] = ["libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet."];

/// A program with more rights than its caller has none of these.
fn variable<'w>(walk: &'w Walk<'_, '_>, name: &str) -> &'w str {
    walk.request.env.get(name).filter(|_| !walk.request.secure).map(String::as_str).unwrap_or_default()
}

/// `LD_PRELOAD`.
pub(super) fn preloads(walk: &Walk<'_, '_>) -> Vec<String> {
    let variable = variable(walk, "LD_PRELOAD");
    let names = variable.split(|c: char| c.is_ascii_whitespace() || c == ':');
    names.filter(|name| !name.is_empty()).map(Into::into).collect()
}

pub(super) fn find(walk: &mut Walk<'_, '_>, name: &str, by: usize) -> Found {
    if RESERVED.iter().any(|reserved| name.starts_with(reserved)) {
        return Found::Loaded(INTERPRETER);
    }
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
    let directories = library_path(walk);
    let found = search.directories(walk, &directories, name, How::LibraryPath);
    if found.is_some() {
        return found;
    }
    // Both kinds of path go up the chain of loaders, RUNPATH in the place of RPATH where an object has both.
    let mut next = Some(by);
    while let Some(at) = next {
        let how = if walk.loaded[at].object.runpath.is_some() { How::Runpath } else { How::Rpath };
        let directories = rpath(walk, at);
        let found = search.directories(walk, &directories, name, how);
        if found.is_some() {
            return found;
        }
        next = walk.loaded[at].above;
    }
    let (directories, how) = system(walk);
    search.directories(walk, &directories, name, how)
}

/// What the path file says, else what is compiled into the interpreter.
fn system(walk: &mut Walk<'_, '_>) -> (Directories, How) {
    for how in [How::Hints, How::Default] {
        if let Some(known) = walk.known.get(&(how, false)) {
            return (Rc::clone(known), how);
        }
    }
    let place = musl_path::place(walk.path(INTERPRETER));
    let (text, how) = match place.and_then(|place| walk.finder.small_file(&place, musl_path::MAX)) {
        Some(bytes) => {
            // It is read as one string, which ends with the first NUL.
            let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
            (Rc::from(String::from_utf8_lossy(text)), How::Hints)
        }
        None => {
            let built_in = super::compiled_path(walk);
            (built_in.unwrap_or_else(|| "/lib:/usr/local/lib:/usr/lib".into()), How::Default)
        }
    };
    let directories = split(walk, &text, false);
    walk.known.insert((how, false), Rc::clone(&directories));
    (directories, how)
}

fn library_path(walk: &mut Walk<'_, '_>) -> Directories {
    if let Some(known) = &walk.library_path {
        return Rc::clone(known);
    }
    let text = variable(walk, "LD_LIBRARY_PATH").to_owned();
    let split = split(walk, &text, false);
    walk.library_path = Some(Rc::clone(&split));
    split
}

fn rpath(walk: &mut Walk<'_, '_>, at: usize) -> Directories {
    let loaded = &walk.loaded[at];
    if let Some(known) = &loaded.rpath {
        return Rc::clone(known);
    }
    let text = loaded.object.runpath.clone().or_else(|| loaded.object.rpath.clone()).unwrap_or_default();
    let path = if walk.is_executed(at) { &walk.resolved(at).real } else { walk.path(at) };
    let origin = path.parent().and_then(Path::to_str).map(str::to_owned);
    // It knows one token; another one spoils the whole path.
    let expanded = tokens::expand(&text, &[Token { name: "ORIGIN", value: origin.as_deref() }]);
    let split = match expanded.filter(|expanded| !expanded.text.contains('$')) {
        Some(expanded) => split(walk, &expanded.text, expanded.origin && at == MAIN && walk.is_executed(at)),
        None => Rc::new([]),
    };
    walk.loaded[at].rpath = Some(Rc::clone(&split));
    split
}

fn split(walk: &mut Walk<'_, '_>, text: &str, main_origin: bool) -> Directories {
    let elements = text.split(SEPARATORS).filter(|element| !element.is_empty());
    let paths: Vec<PathBuf> = elements.map(|element| walk.request.cwd.join(element)).collect();
    paths.into_iter().map(|path| Directory::plain(walk, path, main_origin)).collect()
}
