//! glibc: ld.so(8), and `_dl_map_object` in its `elf/dl-load.c`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Directories, Directory, Found, Search};
use crate::closure::How;
use crate::hints::ld_so_cache;
use crate::machine::Machine;
use crate::tokens::{self, Expanded, Token};
use crate::tree::join;
use crate::walk::{INTERPRETER, MAIN, Walk};

mod built_in;
mod unlisted;

pub(crate) use built_in::BuiltIn;

const PRELOAD_FILE: &str = "/etc/ld.so.preload";
const PRELOAD_MAX: u64 = 1 << 16;

/// As long a name is taken from the environment of a program with more rights than its caller: `SECURE_NAME_LIMIT`.
const SECURE_NAME_MAX: usize = 255;

/// `LD_PRELOAD`, then /etc/ld.so.preload.
pub(super) fn preloads(walk: &mut Walk<'_, '_>) -> Vec<String> {
    let variable = walk.request.env.get("LD_PRELOAD").map(String::as_str).unwrap_or_default();
    let names = |text: &str, separators: &[char]| -> Vec<String> {
        text.split(separators).filter(|name| !name.is_empty()).map(Into::into).collect()
    };
    let mut all = names(variable, &[' ', ':']);
    if walk.request.secure {
        all.retain(|name| !name.contains('/') && name.len() < SECURE_NAME_MAX);
    }
    if let Some(bytes) = walk.finder.small_file(Path::new(PRELOAD_FILE), PRELOAD_MAX) {
        let text = String::from_utf8_lossy(&bytes);
        // A comment goes to the end of its line.
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            all.extend(names(line, &[' ', '\t', ':']));
        }
    }
    all
}

pub(super) fn find(walk: &mut Walk<'_, '_>, name: &str, by: usize) -> Found {
    // What is preloaded by its name into such a program must be set-user-ID itself.
    let mut search = Search { only_setuid: walk.request.secure && walk.preloading, ..Search::default() };
    if name.contains('/') {
        let path = join(&walk.request.cwd, name);
        search.asked(&path);
        return search.file(walk, path, How::Path).unwrap_or_else(|| search.nothing());
    }
    by_name(walk, &mut search, name, by).unwrap_or_else(|| {
        unlisted::look(walk, &mut search, name);
        search.nothing()
    })
}

fn by_name(walk: &mut Walk<'_, '_>, search: &mut Search, name: &str, by: usize) -> Option<Found> {
    // RPATH goes up the chain of loaders to the program; of an object with RUNPATH it does not count.
    if walk.loaded[by].object.runpath.is_none() {
        let mut next = Some(by);
        while let Some(at) = next {
            if walk.loaded[at].object.rpath.is_some() {
                let directories = rpath(walk, at);
                let found = search.directories(walk, &directories, name, How::Rpath);
                if found.is_some() {
                    return found;
                }
            }
            next = walk.loaded[at].above;
        }
    }
    let directories = library_path(walk);
    let found = search.directories(walk, &directories, name, How::LibraryPath);
    if found.is_some() {
        return found;
    }
    if walk.loaded[by].object.runpath.is_some() {
        let directories = runpath(walk, by);
        let found = search.directories(walk, &directories, name, How::Runpath);
        if found.is_some() {
            return found;
        }
    }
    let found = if search.only_setuid { None } else { by_cache(walk, search, name, by) };
    if found.is_some() || walk.loaded[by].object.no_default_lib {
        return found;
    }
    let built_in = built_in(walk);
    let directories: Vec<_> = built_in.directories.iter().map(|path| directory(walk, path.into(), false)).collect();
    search.directories(walk, &directories, name, How::Default)
}

fn by_cache(walk: &mut Walk<'_, '_>, search: &mut Search, name: &str, by: usize) -> Option<Found> {
    let program = Rc::clone(&walk.loaded[MAIN].object);
    let cache = walk.finder.cache(program.machine.big_endian);
    let flags = ld_so_cache::flags(program.machine, program.flags);
    // Few caches have an entry for which the processor and the loader's version matter.
    let hwcaps = || if built_in(walk).has_levels() { hwcaps(walk, program.machine) } else { &[] };
    let legacy = || {
        let names = walk.finder.system.cpu.legacy_names(program.machine);
        built_in(walk).has_legacy().then(|| names.iter().fold(0, |bits, capability| bits | capability.bits))
    };
    let Some(path) = cache.lookup_with(name, flags, hwcaps, legacy) else {
        search.asked(Path::new(ld_so_cache::PATH));
        return None;
    };
    if walk.loaded[by].object.no_default_lib
        && built_in(walk).directories.iter().any(|directory| path.starts_with(directory.as_str()))
    {
        return None;
    }
    search.file(walk, join(&walk.request.cwd, path), How::Cache)
}

fn hwcaps<'w>(walk: &'w Walk<'_, '_>, machine: Machine) -> &'w [String] {
    let cpu = &walk.finder.system.cpu;
    if cpu.machine == Some(machine) { cpu.hwcaps() } else { &[] }
}

fn rpath(walk: &mut Walk<'_, '_>, at: usize) -> Directories {
    let loaded = &walk.loaded[at];
    if let Some(known) = &loaded.rpath {
        return Rc::clone(known);
    }
    let text = loaded.object.rpath.clone().filter(|_| loaded.object.runpath.is_none());
    let split = split(walk, text.as_deref(), &[':'], at);
    walk.loaded[at].rpath = Some(Rc::clone(&split));
    split
}

fn runpath(walk: &mut Walk<'_, '_>, at: usize) -> Directories {
    let loaded = &walk.loaded[at];
    if let Some(known) = &loaded.runpath {
        return Rc::clone(known);
    }
    let text = loaded.object.runpath.clone();
    let split = split(walk, text.as_deref(), &[':'], at);
    walk.loaded[at].runpath = Some(Rc::clone(&split));
    split
}

fn library_path(walk: &mut Walk<'_, '_>) -> Directories {
    if let Some(known) = &walk.library_path {
        return Rc::clone(known);
    }
    let text = walk.request.env.get("LD_LIBRARY_PATH").filter(|_| !walk.request.secure).cloned();
    let split = split(walk, text.as_deref(), &[':', ';'], MAIN);
    walk.library_path = Some(Rc::clone(&split));
    split
}

/// `fillin_rpath`: an empty element is the current directory, one with a token that has no value is left out.
fn split(walk: &mut Walk<'_, '_>, text: Option<&str>, separators: &[char], of: usize) -> Directories {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Rc::new([]) };
    let mut out: Vec<Directory> = Vec::new();
    let mut known = BTreeSet::new();
    for element in text.split(separators) {
        let Some(Expanded { text, origin }) = expand(walk, element, of) else { continue };
        let path = join(&walk.request.cwd, text);
        if known.insert(path.clone()) {
            let main_origin = origin && walk.is_executed(of);
            let directory = directory(walk, path, main_origin);
            out.push(directory);
        }
    }
    out.into()
}

/// A directory with its sub-directories for better processors, looked for once.
fn directory(walk: &mut Walk<'_, '_>, path: PathBuf, main_origin: bool) -> Directory {
    let key = (path, walk.resolved(INTERPRETER).meta.id);
    if let Some(existing) = walk.finder.existing.get(&key) {
        return Directory { path: key.0, existing: Rc::clone(existing), main_origin };
    }
    let mut existing = Vec::new();
    if walk.finder.resolver.is_directory(&key.0) {
        existing.extend(levels(walk, &key.0));
        existing.extend(legacy(walk, &key.0));
        existing.push(key.0.clone());
    }
    let existing: Rc<[PathBuf]> = existing.into();
    let path = key.0.clone();
    walk.finder.existing.insert(key, Rc::clone(&existing));
    Directory { path, existing, main_origin }
}

/// `glibc-hwcaps/x86-64-v3` and its like.
fn levels(walk: &mut Walk<'_, '_>, path: &Path) -> Vec<PathBuf> {
    let machine = walk.loaded[MAIN].object.machine;
    let base = path.join("glibc-hwcaps");
    let capable = walk.finder.system.cpu.machine == Some(machine);
    if !capable || !walk.finder.resolver.is_directory(&base) || !built_in(walk).has_levels() {
        return Vec::new();
    }
    let levels: Vec<PathBuf> = walk.finder.system.cpu.hwcaps().iter().map(|level| base.join(level)).collect();
    levels.into_iter().filter(|level| walk.finder.resolver.is_directory(level)).collect()
}

/// `tls/haswell/x86_64` and its like: each choice of the names, the last name first, and of the choices the larger first.
fn legacy(walk: &mut Walk<'_, '_>, path: &Path) -> Vec<PathBuf> {
    let machine = walk.loaded[MAIN].object.machine;
    let names = walk.finder.system.cpu.legacy_names(machine);
    // Few directories have any of them, and no other question is asked of the rest.
    let there = |walk: &mut Walk<'_, '_>, name: &str| walk.finder.resolver.is_directory(&path.join(name));
    if !names.iter().any(|capability| there(walk, capability.name)) || !built_in(walk).has_legacy() {
        return Vec::new();
    }
    let choices = (1..1u32 << names.len()).rev().map(|choice| {
        let chosen = names.iter().enumerate().rev().filter(|(bit, _)| choice >> bit & 1 != 0);
        chosen.fold(path.to_owned(), |path, (_, capability)| path.join(capability.name))
    });
    let choices: Vec<PathBuf> = choices.collect();
    choices.into_iter().filter(|choice| walk.finder.resolver.is_directory(choice)).collect()
}

pub(super) fn expand(walk: &mut Walk<'_, '_>, text: &str, of: usize) -> Option<Expanded> {
    if !text.contains('$') {
        return Some(Expanded { text: text.into(), origin: false });
    }
    // /proc/self/exe knows no links; a library's origin is the directory by which it was opened.
    let path = if walk.is_executed(of) { &walk.resolved(of).real } else { walk.path(of) };
    let origin = path.parent().and_then(Path::to_str).map(str::to_owned);
    let built_in = built_in(walk);
    let machine = walk.loaded[MAIN].object.machine;
    let secure = walk.request.secure;
    if secure && !tokens::origin_stands_first(text) {
        return None;
    }
    let platform = walk.finder.system.cpu.platform_for(machine);
    let expanded = tokens::expand(
        text,
        &[
            Token { name: "ORIGIN", value: origin.as_deref() },
            Token { name: "PLATFORM", value: platform.as_deref() },
            Token { name: "LIB", value: Some(&built_in.lib) },
        ],
    )?;
    // The program's own directory may be a stranger's, by a hard link.
    let doubtful = secure && expanded.origin && of == MAIN;
    (!doubtful || built_in.is_trusted(&expanded.text)).then_some(expanded)
}

/// What is compiled into the interpreter at hand, read once.
fn built_in(walk: &Walk<'_, '_>) -> Rc<BuiltIn> {
    let interpreter = walk.resolved(INTERPRETER);
    let id = interpreter.meta.id;
    if let Some(known) = walk.finder.built_in.borrow().get(&id) {
        return Rc::clone(known);
    }
    let file = walk.finder.open(interpreter).ok();
    let built_in = file.and_then(|file| BuiltIn::read(&*file));
    let built_in = Rc::new(built_in.unwrap_or_else(|| BuiltIn::usual(walk.loaded[INTERPRETER].object.machine)));
    walk.finder.built_in.borrow_mut().insert(id, Rc::clone(&built_in));
    built_in
}
