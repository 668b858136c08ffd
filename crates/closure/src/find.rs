//! From the name of a program to its closure: the way that execve(2) goes, script by script, until a run-time linker takes
//! over.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use crate::closure::{Closure, How, Member, Missing, Refused, Role};
use crate::elf::{ElfError, Object};
use crate::hints::ld_so_cache::{self, Cache};
use crate::hints::libmap::LibMap;
use crate::plugins;
use crate::script::{self, EnvCall};
use crate::search::{self, glibc::BuiltIn};
use crate::tree::{ById, FileId, Kind, ReadAt, ResolveError, Resolved, Resolver, Tree, join};
use crate::uses::Uses;
use crate::walk::Walk;

mod below;
mod error;
mod request;

pub use error::{FindError, NotExecutable};
pub use request::{Request, System};

/// `PATH` of execvp(3) where there is none.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A chain of scripts that call each other by env(1) has no limit in the kernel.
const PROGRAMS_MAX: usize = 32;

/// A larger ld.so.cache is not read; a desktop's has 0.2 MB.
const CACHE_MAX: u64 = 64 << 20;

/// The files read so far, shared by the finders that are made with it: a second look at the same files, as at a planned
/// tree, parses nothing again.
#[derive(Clone, Debug, Default)]
pub struct Objects(Rc<RefCell<ById<Rc<Object>>>>);

/// How many files are held open.
const FILES_MAX: usize = 64;

/// Finds closures in one tree and remembers what it read, so that many programs cost little more than one.
pub struct Finder<'t> {
    pub(crate) resolver: Resolver<'t>,
    pub(crate) system: System,
    objects: Objects,
    /// The files behind the first objects, held open because some are read twice.
    files: RefCell<Vec<(FileId, Rc<dyn ReadAt>)>>,
    caches: BTreeMap<bool, Rc<Cache>>,
    /// The directories of ld.so.conf, read when something is missing.
    pub(crate) conf: Option<Rc<[PathBuf]>>,
    /// By the path of the file.
    pub(crate) libmaps: BTreeMap<&'static str, LibMap>,
    pub(crate) built_in: RefCell<ById<Rc<BuiltIn>>>,
    /// The search paths compiled into interpreters that hold them as one string.
    pub(crate) compiled: ById<Option<Rc<str>>>,
    /// The directories of search paths with their sub-directories, by the interpreter that searches them.
    pub(crate) existing: BTreeMap<(PathBuf, FileId), Rc<[PathBuf]>>,
}

/// The closure of one program.
///
/// ```
/// use thinjail_closure::closure::{Request, System, find};
/// use thinjail_closure::tree::DirTree;
///
/// let tree = DirTree::host()?;
/// let found = find(&tree, System::running(0), &Request::new("sh").path("/usr/bin:/bin"))?;
/// for member in &found.members {
///     println!("{}", member.path.display());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn find(tree: &dyn Tree, system: System, request: &Request) -> Result<Closure, FindError> {
    Finder::new(tree, system, Objects::default()).find(request)
}

/// A file on the way of execve(2).
struct Next {
    path: PathBuf,
    name: String,
    how: How,
    needed_by: Option<PathBuf>,
}

/// What a file turned out to be.
enum Executable {
    Elf(Rc<Object>),
    Script(script::Shebang),
}

/// Why execve(2) would not go on.
enum Refusal {
    Unresolved(ResolveError),
    NotExecutable { path: PathBuf, why: NotExecutable },
}

impl<'t> Finder<'t> {
    /// A finder over `tree`. What `objects` already holds is not read again.
    #[must_use]
    pub fn new(tree: &'t dyn Tree, system: System, objects: Objects) -> Self {
        Self {
            resolver: Resolver::new(tree, system.caller),
            system,
            objects,
            files: RefCell::default(),
            caches: BTreeMap::new(),
            conf: None,
            libmaps: BTreeMap::new(),
            built_in: RefCell::default(),
            compiled: ById::default(),
            existing: BTreeMap::new(),
        }
    }

    /// A finder for those who only list: the same, but no link is told, and [`Resolved::links`] is empty.
    #[must_use]
    pub fn without_links(tree: &'t dyn Tree, system: System) -> Self {
        Self { resolver: Resolver::without_links(tree), ..Self::new(tree, system, Objects::default()) }
    }

    /// What it follows paths with, and what that remembers.
    pub fn resolver(&mut self) -> &mut Resolver<'t> {
        &mut self.resolver
    }

    /// The closure of one program.
    pub fn find(&mut self, request: &Request) -> Result<Closure, FindError> {
        let mut out = Closure::default();
        let mut uses = Some(Uses::default());
        let mut next = self.asked_for(request)?;
        let mut last: Option<script::Shebang> = None;
        let (mut depth, mut programs) = (0, 0);
        loop {
            let first = out.members.is_empty();
            let found = match last {
                Some(_) if depth > script::DEPTH_MAX => {
                    Err(Refusal::NotExecutable { path: next.path.clone(), why: NotExecutable::TooManyScripts })
                }
                _ => self.executable(&next.path, first && request.interpreter.is_some()),
            };
            let (resolved, executable) = match found {
                Ok(found) => found,
                Err(refusal) if first => return Err(refusal.of(&request.program)),
                Err(refusal) => {
                    out.missing.push(refusal.missing(next));
                    break;
                }
            };
            let path = next.path.clone();
            if !out.members.iter().any(|member| member.path == path) {
                let role = if first { Role::Program } else { Role::Script };
                let Next { path, name, how, needed_by } = next;
                out.members.push(Member { path, resolved: resolved.clone(), role, how, name, needed_by });
            }
            match executable {
                Executable::Script(shebang) => {
                    depth += 1;
                    next = Next {
                        path: join(&request.cwd, &shebang.interpreter),
                        name: shebang.interpreter.clone(),
                        how: How::Path,
                        needed_by: Some(path),
                    };
                    last = Some(shebang);
                }
                Executable::Elf(object) => {
                    programs += 1;
                    let call = last.take().and_then(|shebang| env_call(&shebang, request));
                    let call = call.filter(|_| programs < PROGRAMS_MAX);
                    let more = Walk::new(self, request, &mut out, object, &path).run(call.is_none());
                    uses = uses.zip(more).map(|(mut uses, more)| {
                        uses.join(more);
                        uses
                    });
                    match call {
                        Some(call) => {
                            depth = 0;
                            match self.called(request, call, &path) {
                                Ok(found) => next = found,
                                Err(missing) => {
                                    out.missing.push(missing);
                                    break;
                                }
                            }
                        }
                        None => break,
                    }
                }
            }
        }
        out.loads.clone_from(&request.loads);
        if request.implied {
            out.plugins = plugins::of(&out, &mut self.resolver);
        }
        out.uses = uses.filter(|_| programs > 0).map(Box::new);
        self.directories(&mut out);
        Ok(out)
    }

    /// The interpreter for a file that names none, as a library: the first of the usual ones of its machine and system that
    /// is in the tree, or else the likeliest. None for a file that needs none, names one, or can't be read.
    pub fn usual_interpreter(&mut self, path: &Path) -> Option<PathBuf> {
        let resolved = self.resolver.resolve(path).ok().filter(|found| found.meta.kind == Kind::File)?;
        let object = self.object(&resolved).ok().filter(|object| object.interpreter.is_none())?;
        let usual: Vec<_> = search::usual_interpreters(&object).into_iter().map(PathBuf::from).collect();
        let there = |path: &&PathBuf| self.resolver.resolve(path).is_ok_and(|found| found.meta.kind == Kind::File);
        usual.iter().find(there).or(usual.first()).cloned()
    }

    fn asked_for(&mut self, request: &Request) -> Result<Next, FindError> {
        let name = request.program.clone();
        let path = if name.contains('/') {
            join(&request.cwd, &name)
        } else {
            let directories = request.env.get("PATH").map(String::as_str).unwrap_or_default();
            self.in_path(&name, directories, request)
                .map_err(|searched| FindError::NotInPath { program: name.clone(), searched })?
        };
        Ok(Next { path, name, how: How::Asked, needed_by: None })
    }

    /// The program that env(1) would run.
    fn called(&mut self, request: &Request, call: EnvCall, env: &Path) -> Result<Next, Missing> {
        let name = call.program.unwrap_or_default();
        let needed_by = Some(env.to_owned());
        if name.contains('/') {
            return Ok(Next { path: join(&request.cwd, &name), name, how: How::Path, needed_by });
        }
        let inherited = if call.cleared { None } else { request.env.get("PATH").cloned() };
        let directories = call.path.or(inherited).unwrap_or_else(|| DEFAULT_PATH.into());
        match self.in_path(&name, &directories, request) {
            Ok(path) => Ok(Next { path, name, how: How::SearchPath, needed_by }),
            Err(searched) => {
                let needed_by = env.to_owned();
                Err(Missing { name, role: Role::Script, needed_by, searched, refused: Vec::new() })
            }
        }
    }

    /// execvp(3)'s search; else the directories it went through.
    fn in_path(&mut self, name: &str, directories: &str, request: &Request) -> Result<PathBuf, Vec<PathBuf>> {
        let mut searched = Vec::new();
        for directory in directories.split(':').filter(|_| !directories.is_empty()) {
            // An empty one is the current directory, as join makes of it.
            let directory = join(&request.cwd, directory);
            let path = join(&directory, name);
            let found = self.resolver.resolve(&path);
            if found.is_ok_and(|found| found.meta.kind == Kind::File && found.meta.mode & 0o111 != 0) {
                return Ok(path);
            }
            searched.push(directory);
        }
        Err(searched)
    }

    /// What execve(2) would do with a file. One that is only to be `loaded` needs no permission.
    fn executable(&mut self, path: &Path, loaded: bool) -> Result<(Resolved, Executable), Refusal> {
        let resolved = self.resolver.resolve(path).map_err(Refusal::Unresolved)?;
        let refuse = |why| Refusal::NotExecutable { path: resolved.real.clone(), why };
        match resolved.meta.kind {
            Kind::File if !loaded && resolved.meta.mode & 0o111 == 0 => {
                return Err(refuse(NotExecutable::NoPermission));
            }
            Kind::File => {}
            Kind::Directory => return Err(refuse(NotExecutable::Directory)),
            _ => return Err(refuse(NotExecutable::NotRegular)),
        }
        let executable = match self.object(&resolved) {
            Ok(object) => {
                if self.system.accept.as_ref().is_some_and(|accept| !accept.contains(&object.machine)) {
                    return Err(refuse(NotExecutable::OtherMachine(object.machine)));
                }
                if !object.is_loadable() {
                    return Err(refuse(NotExecutable::NoProgram));
                }
                Executable::Elf(object)
            }
            Err(ElfError::NotElf) => {
                let head = self.head(&resolved).map_err(|error| refuse(NotExecutable::Unreadable(error)))?;
                Executable::Script(script::parse(&head).ok_or_else(|| refuse(NotExecutable::Format))?)
            }
            Err(ElfError::Io(error)) => return Err(refuse(NotExecutable::Unreadable(error))),
            Err(error) => return Err(refuse(NotExecutable::Damaged(error))),
        };
        Ok((resolved, executable))
    }

    fn head(&self, resolved: &Resolved) -> io::Result<Vec<u8>> {
        let file = self.open(resolved)?;
        let mut head = vec![0; file.len().min(script::HEAD as u64) as usize];
        file.read_exact_at(&mut head, 0)?;
        Ok(head)
    }

    pub(crate) fn open(&self, resolved: &Resolved) -> io::Result<Rc<dyn ReadAt>> {
        let files = self.files.borrow();
        match files.iter().find(|(id, _)| *id == resolved.meta.id) {
            Some((_, file)) => Ok(Rc::clone(file)),
            None => self.resolver.tree().open_found(resolved),
        }
    }

    /// An ELF file that was resolved, a member of a closure for one, parsed once.
    pub fn object(&self, resolved: &Resolved) -> Result<Rc<Object>, ElfError> {
        if let Some(object) = self.objects.0.borrow().get(&resolved.meta.id) {
            return Ok(Rc::clone(object));
        }
        let file = self.open(resolved)?;
        let object = Rc::new(Object::parse(&*file)?);
        let mut files = self.files.borrow_mut();
        if files.len() < FILES_MAX {
            files.push((resolved.meta.id, file));
        }
        self.objects.0.borrow_mut().insert(resolved.meta.id, Rc::clone(&object));
        Ok(object)
    }

    /// The whole of a small file; none where there is none that can be read, which is how loaders take it.
    pub(crate) fn small_file(&mut self, path: &Path, max: u64) -> Option<Vec<u8>> {
        let resolved = self.resolver.resolve(path).ok()?;
        let file = self.open(&resolved).ok().filter(|file| file.len() <= max)?;
        file.read_vec_at(usize::try_from(file.len()).ok()?, 0).ok()
    }

    /// /etc/ld.so.cache, read once.
    pub(crate) fn cache(&mut self, big_endian: bool) -> Rc<Cache> {
        if let Some(cache) = self.caches.get(&big_endian) {
            return Rc::clone(cache);
        }
        let bytes = self.small_file(Path::new(ld_so_cache::PATH), CACHE_MAX).unwrap_or_default();
        let cache = Rc::new(Cache::parse(bytes, big_endian));
        self.caches.insert(big_endian, Rc::clone(&cache));
        cache
    }

    /// Directories that paths only pass through: `/opt/bin/../lib/x` needs /opt/bin, whether anything is in it or not.
    fn directories(&mut self, out: &mut Closure) {
        // Two dots in a row are rare, and looked for faster.
        let up = |path: &Path| path.as_os_str().as_bytes().windows(2).any(|pair| pair == b"..");
        for member in out.members.iter().filter(|member| up(&member.path)) {
            let mut passed = PathBuf::new();
            for part in member.path.components() {
                if part == Component::ParentDir
                    && let Ok(found) = self.resolver.resolve(&passed)
                    && !out.directories.contains(&found.real)
                {
                    out.directories.push(found.real);
                }
                passed.push(part);
            }
        }
    }
}

/// What the script's interpreter runs in turn, if that is env(1).
fn env_call(shebang: &script::Shebang, request: &Request) -> Option<EnvCall> {
    if Path::new(&shebang.interpreter).file_name() != Some(OsStr::new("env")) {
        return None;
    }
    let call = script::env(shebang.argument.as_deref(), &|name| request.env.get(name).cloned());
    call.program.is_some().then_some(call)
}

impl Refusal {
    fn of(self, program: &str) -> FindError {
        match self {
            Self::Unresolved(source) => FindError::NotFound { program: program.into(), source },
            Self::NotExecutable { path, why } => FindError::NotExecutable { path, why },
        }
    }

    fn missing(self, next: Next) -> Missing {
        let refused = match self {
            Self::Unresolved(_) => Vec::new(),
            Self::NotExecutable { path, why } => vec![Refused { path, why: why.to_string() }],
        };
        let needed_by = next.needed_by.unwrap_or_default();
        Missing { name: next.name, role: Role::Script, needed_by, searched: vec![next.path], refused }
    }
}
