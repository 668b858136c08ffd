//! Where an object is looked for by its name: the rules of each run-time linker.

mod freebsd;
pub(crate) mod glibc;
mod musl;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::closure::{How, Loader, Refused};
use crate::elf::{ElfError, Object};
use crate::machine::Machine;
use crate::tree::{Kind, ReadAt, ResolveError, Resolved, join};
use crate::walk::{INTERPRETER, MAIN, Walk};

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

impl Directory {
    /// One without sub-directories.
    pub(crate) fn plain(walk: &mut Walk<'_, '_>, path: PathBuf, main_origin: bool) -> Self {
        let there = walk.finder.resolver.is_directory(&path);
        let existing: Rc<[PathBuf]> = if there { Rc::new([path.clone()]) } else { Rc::new([]) };
        Self { path, existing, main_origin }
    }
}

/// A program that names thousands of libraries and thousands of directories is made to keep us busy: a chain of 5,000
/// libraries in 10 directories each takes 50,000 tries. A directory that is not there counts too: it is put down.
const TRIES_MAX: u32 = 1 << 20;
/// So many bytes of a path are one more try, which bounds the memory as well.
const TRY_BYTES: usize = 64;

/// What a search ends with.
pub(crate) enum Found {
    /// By the rules it is an object that is there already.
    Loaded(usize),
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

/// Where systems have the interpreter for an object, which a library does not say: what may be at hand, the likelier first.
/// ld.so(8) names those of glibc; musl's are called after its own names of processors.
pub(crate) fn usual_interpreters(object: &Object) -> Vec<String> {
    use object::elf;
    if object.needs.is_empty() {
        return Vec::new();
    }
    let needs = |soname: &str| object.needs.iter().any(|need| need.name == soname);
    let Machine { number, wide, big_endian } = object.machine;
    if object.osabi == elf::ELFOSABI_FREEBSD.0 || needs("libc.so.7") {
        let compat = !wide && [elf::EM_386, elf::EM_ARM, elf::EM_PPC].contains(&elf::Machine(number));
        let names: &[&str] = if compat { &["ld-elf32.so.1", "ld-elf.so.1"] } else { &["ld-elf.so.1"] };
        return names.iter().map(|name| format!("/libexec/{name}")).collect();
    }
    let hard_float = object.flags & 0x400 != 0;
    let (glibc, musl) = match (elf::Machine(number), wide) {
        (elf::EM_X86_64, true) => ("/lib64/ld-linux-x86-64.so.2", "x86_64"),
        (elf::EM_X86_64, false) => ("/libx32/ld-linux-x32.so.2", "x32"),
        (elf::EM_386, _) => ("/lib/ld-linux.so.2", "i386"),
        (elf::EM_AARCH64, _) => ("/lib/ld-linux-aarch64.so.1", "aarch64"),
        (elf::EM_ARM, _) if hard_float => ("/lib/ld-linux-armhf.so.3", "armhf"),
        (elf::EM_ARM, _) => ("/lib/ld-linux.so.3", "arm"),
        (elf::EM_RISCV, true) => ("/lib/ld-linux-riscv64-lp64d.so.1", "riscv64"),
        (elf::EM_LOONGARCH, true) => ("/lib64/ld-linux-loongarch-lp64d.so.1", "loongarch64"),
        (elf::EM_PPC64, true) if big_endian => ("/lib64/ld64.so.1", "powerpc64"),
        (elf::EM_PPC64, true) => ("/lib64/ld64.so.2", "powerpc64le"),
        (elf::EM_S390, true) => ("/lib/ld64.so.1", "s390x"),
        _ => return vec!["/lib/ld.so.1".into()],
    };
    let musl = format!("/lib/ld-musl-{musl}.so.1");
    // With musl libc has no version in its name, and is the interpreter itself.
    if needs("libc.so") { vec![musl, glibc.into()] } else { vec![glibc.into(), musl] }
}

/// Reads what holds for the whole walk.
pub(crate) fn prepare(walk: &mut Walk<'_, '_>) {
    if walk.loader == Loader::FreeBsd {
        freebsd::prepare(walk);
    }
}

/// The names of the objects that come before all libraries.
pub(crate) fn preloads(walk: &mut Walk<'_, '_>) -> Vec<String> {
    match walk.loader {
        Loader::Glibc => glibc::preloads(walk),
        Loader::Musl => musl::preloads(walk),
        Loader::FreeBsd => freebsd::preloads(walk),
    }
}

/// A needed name with its tokens replaced; none where one of them has no value.
pub(crate) fn expand(walk: &mut Walk<'_, '_>, name: &str, by: usize) -> Option<String> {
    match walk.loader {
        Loader::Glibc => glibc::expand(walk, name, by).map(|expanded| expanded.text),
        // They take a needed name to the letter; rtld replaces tokens only when it goes to look for the file.
        Loader::Musl | Loader::FreeBsd => Some(name.into()),
    }
}

/// Looks for an object that the one at `by` needs.
pub(crate) fn find(walk: &mut Walk<'_, '_>, name: &str, by: usize) -> Found {
    match walk.loader {
        Loader::Glibc => glibc::find(walk, name, by),
        Loader::Musl => musl::find(walk, name, by),
        Loader::FreeBsd => freebsd::find(walk, name, by),
    }
}

/// One search under way: the places tried so far.
#[derive(Default)]
pub(crate) struct Search {
    searched: Vec<PathBuf>,
    refused: Vec<Refused>,
    /// A file was met at which the loader gives up instead of looking further.
    stopped: bool,
    /// Of this search path nothing more is tried.
    path_ended: bool,
    /// The loader gives up at any file that it can't use.
    strict: bool,
    /// Of what is in a directory only files that are set-user-ID count.
    only_setuid: bool,
}

impl Search {
    pub(crate) fn strict() -> Self {
        Self { strict: true, ..Self::default() }
    }

    /// Tries a name in directories, in order.
    pub(crate) fn directories(
        &mut self,
        walk: &mut Walk<'_, '_>,
        directories: &[Directory],
        name: &str,
        how: How,
    ) -> Option<Found> {
        self.path_ended = false;
        for directory in directories {
            if self.stopped || self.path_ended || !self.may_try(walk, &directory.path) {
                return None;
            }
            for existing in &*directory.existing {
                // The last try in a directory decides.
                self.path_ended = false;
                let path = join(existing, name);
                if self.only_setuid && !is_setuid(walk, &path) {
                    continue;
                }
                if let Some(Found::At { path, resolved, object, .. }) = self.file(walk, path, how) {
                    return Some(Found::At { path, resolved, object, how, main_origin: directory.main_origin });
                }
            }
            self.searched.push(directory.path.clone());
        }
        None
    }

    /// Tries one file.
    pub(crate) fn file(&mut self, walk: &mut Walk<'_, '_>, path: PathBuf, how: How) -> Option<Found> {
        if self.stopped || !self.may_try(walk, &path) {
            return None;
        }
        let resolved = match walk.finder.resolver.resolve(&path) {
            Ok(resolved) => resolved,
            Err(error) => {
                self.unresolved(walk.loader, &error);
                return None;
            }
        };
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
        self.stopped = stops || self.strict;
        None
    }

    /// Counts a try. Says no, and ends the search, where there were too many.
    pub(crate) fn may_try(&mut self, walk: &mut Walk<'_, '_>, path: &Path) -> bool {
        let cost = u32::try_from(1 + path.as_os_str().len() / TRY_BYTES).unwrap_or(u32::MAX);
        walk.tries = walk.tries.saturating_add(cost);
        if walk.tries > TRIES_MAX && !self.stopped {
            let why = format!("more than {TRIES_MAX} files were looked for");
            self.refused.push(Refused { path: path.into(), why });
            self.stopped = true;
        }
        !self.stopped
    }

    /// What open(2) fails with decides how far the search goes on.
    fn unresolved(&mut self, loader: Loader, error: &ResolveError) {
        match (loader, error) {
            (_, ResolveError::Missing { .. } | ResolveError::Permission { .. }) | (Loader::FreeBsd, _) => {}
            (Loader::Musl, ResolveError::NotADirectory { .. }) => {}
            (Loader::Musl, _) => self.stopped = true,
            // `open_path`: "the file exists and is readable, but something went wrong".
            (Loader::Glibc, _) => self.path_ended = true,
        }
    }

    /// Puts down a file that is there and is not taken.
    fn refuse(&mut self, refused: Refused) {
        self.refused.push(refused);
    }

    /// Puts down a place that was asked.
    pub(crate) fn asked(&mut self, path: &Path) {
        self.searched.push(path.into());
    }

    pub(crate) fn nothing(self) -> Found {
        Found::Not { searched: self.searched, refused: self.refused }
    }
}

fn is_setuid(walk: &mut Walk<'_, '_>, path: &Path) -> bool {
    walk.finder.resolver.resolve(path).is_ok_and(|found| found.meta.mode & 0o4000 != 0)
}

/// A larger interpreter is not searched; they have 0.2 to 0.8 MB.
const INTERPRETER_MAX: u64 = 8 << 20;

/// The search path that is compiled into the interpreter as one string, as `/lib:/usr/lib`.
fn compiled_path(walk: &mut Walk<'_, '_>) -> Option<Rc<str>> {
    walk.loaded.get(INTERPRETER)?;
    let interpreter = walk.resolved(INTERPRETER).clone();
    let finder = &mut *walk.finder;
    if let Some(known) = finder.compiled.get(&interpreter.meta.id) {
        return known.clone();
    }
    let path = finder.open(&interpreter).ok().and_then(|file| one_string(&*file));
    finder.compiled.insert(interpreter.meta.id, path.clone());
    path
}

fn one_string(interpreter: &dyn ReadAt) -> Option<Rc<str>> {
    let bytes = whole(interpreter)?;
    let strings = memchr::memmem::find_iter(&bytes, b"\0/lib").filter_map(|at| {
        let text = bytes.get(at + 1..)?.split(|&byte| byte == 0).next()?;
        std::str::from_utf8(text).ok()
    });
    let mut paths = strings.filter(|text| text.contains(':') && text.split(':').all(|part| part.starts_with('/')));
    paths.next().map(Into::into)
}

fn whole(interpreter: &dyn ReadAt) -> Option<Vec<u8>> {
    let len = Some(interpreter.len()).filter(|&len| len <= INTERPRETER_MAX)?;
    interpreter.read_vec_at(usize::try_from(len).ok()?, 0).ok()
}
