//! What the run-time linker does after execve(2): objects ask for objects, breadth first, and what is there already is not
//! looked for again. So the first finder wins, and no library can be looked for without all that came before it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::hash::BuildHasherDefault;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::closure::{CacheMark, Closure, How, Loader, Map, Member, Missing, Refused, Request, Role};
use crate::elf::{NeedKind, Object};
use crate::find::Finder;
use crate::hints::{ld_so_cache, libmap::LibMap};
use crate::names::{ByName, by_name};
use crate::search::{self, Directories, Found};
use crate::tree::{ById, FileId, Resolved, join};
use crate::uses::Uses;

mod implied;
mod loads;

/// The place of the program in [`Walk::loaded`].
pub(crate) const MAIN: usize = 0;

/// The place of its interpreter.
pub(crate) const INTERPRETER: usize = 1;

/// As many objects as most programs have.
const USUAL: usize = 64;

/// An object that would be in memory.
pub(crate) struct Loaded {
    pub(crate) object: Rc<Object>,
    /// Its place among the members: [`Walk::path`] and [`Walk::resolved`].
    member: usize,
    /// The nearest of those up the chain of who asked for whom first (`l_loader` in glibc) that has a search path which
    /// counts for it. A chain may be thousands long.
    pub(crate) above: Option<usize>,
    /// It stands in the queue.
    pub(crate) queued: bool,
    /// Its `DT_RPATH` and `DT_RUNPATH`, split when first needed.
    pub(crate) rpath: Option<Directories>,
    pub(crate) runpath: Option<Directories>,
}

/// One program, from its interpreter to the last library.
pub(crate) struct Walk<'a, 't> {
    pub(crate) finder: &'a mut Finder<'t>,
    pub(crate) request: &'a Request,
    pub(crate) out: &'a mut Closure,
    /// FreeBSD's libmap.conf, which changes while it is used.
    pub(crate) libmap: LibMap,
    /// Whose rules hold.
    pub(crate) loader: Loader,
    /// What is asked for is preloaded.
    pub(crate) preloading: bool,
    /// In the order of loading, the program first.
    pub(crate) loaded: Vec<Loaded>,
    /// `LD_LIBRARY_PATH`, split when first needed.
    pub(crate) library_path: Option<Directories>,
    /// The directories of the system, by what says so; and of these some are left out for some objects.
    pub(crate) known: BTreeMap<(How, bool), Directories>,
    by_name: ByName<Rc<str>, usize>,
    by_id: ById<usize>,
    /// The keys of `by_name`, in the order in which they came.
    named: Vec<Rc<str>>,
    /// The names that were put down as not there.
    lacked: BTreeSet<String>,
    /// What libmap.conf had in the place of something, so far.
    pub(crate) mapped: BTreeSet<Map>,
    /// How often a file was looked for.
    pub(crate) tries: u32,
    /// The program runs: what is not there is no reason for it not to start.
    late: bool,
    /// The members, each file by the first of its paths.
    firsts: ById<usize>,
    /// Those that are there by a second path or a third.
    seconds: BTreeMap<OsString, usize>,
    /// The objects to ask for what they need, and how many of them are done.
    queue: Vec<usize>,
}

/// How an object was asked for, beside its name.
#[derive(Clone, Copy)]
struct Ask {
    by: usize,
    /// Said instead of the rule by which it was found.
    how: Option<How>,
    /// Nothing stops where it is not there.
    optional: bool,
}

impl<'a, 't> Walk<'a, 't> {
    pub(crate) fn new(
        finder: &'a mut Finder<'t>,
        request: &'a Request,
        out: &'a mut Closure,
        program: Rc<Object>,
        path: &Path,
    ) -> Self {
        out.members.reserve(USUAL);
        let main = out.members.iter().position(|member| member.path == path).unwrap_or_default();
        let mut walk = Self {
            finder,
            request,
            out,
            libmap: LibMap::default(),
            loader: Loader::Glibc,
            preloading: false,
            loaded: Vec::with_capacity(USUAL),
            library_path: None,
            known: BTreeMap::new(),
            // Larger ones are few, and to grow takes longer than to be large.
            by_name: by_name(USUAL),
            by_id: ById::with_capacity_and_hasher(USUAL, BuildHasherDefault::default()),
            named: Vec::with_capacity(USUAL),
            lacked: BTreeSet::new(),
            mapped: BTreeSet::new(),
            tries: 0,
            late: false,
            firsts: ById::with_capacity_and_hasher(USUAL, BuildHasherDefault::default()),
            seconds: BTreeMap::new(),
            queue: Vec::with_capacity(USUAL),
        };
        for at in 0..walk.out.members.len() {
            walk.learn(at);
        }
        walk.add(program, main, None);
        walk
    }

    /// The path by which an object was opened.
    pub(crate) fn path(&self, at: usize) -> &Path {
        &self.out.members[self.loaded[at].member].path
    }

    /// The same without links. For the program this is what /proc/self/exe says.
    pub(crate) fn resolved(&self, at: usize) -> &Resolved {
        &self.out.members[self.loaded[at].member].resolved
    }

    /// Adds all members; what is not found is put down as missing. Says what they use, where that can be known. The
    /// `last` program of a chain is the one that loads more when it runs.
    pub(crate) fn run(mut self, last: bool) -> Option<Uses> {
        let uses = if self.interpreter() { self.start() } else { None };
        if last {
            self.loads();
        }
        uses
    }

    /// All that happens before `main`, and what libc may do by itself.
    fn start(&mut self) -> Option<Uses> {
        self.out.loader = Some(self.loader);
        search::prepare(self);
        let program = &self.loaded[MAIN].object;
        self.out.cache = (self.loader == Loader::Glibc).then(|| CacheMark {
            flags: ld_so_cache::flags(program.machine, program.flags),
            big_endian: program.machine.big_endian,
        });
        self.enqueue(MAIN);
        self.preloading = true;
        for name in search::preloads(self) {
            // Only glibc goes on without one.
            let ask = Ask { by: MAIN, how: Some(How::Preload), optional: self.loader == Loader::Glibc };
            if let Some(at) = self.ask(&name, ask) {
                self.enqueue(at);
            }
        }
        self.preloading = false;
        let done = self.run_queue(0);
        if !self.request.implied {
            return None;
        }
        let done = self.dlopens(done);
        let uses = if self.loader == Loader::Glibc { self.implied(done) } else { None }?;
        self.name_services(&uses);
        Some(uses)
    }

    /// Asks for what the objects in the queue need, and what those need. Says how many are done.
    fn run_queue(&mut self, mut done: usize) -> usize {
        while let Some(&at) = self.queue.get(done) {
            done += 1;
            self.needs_of(at, done);
        }
        done
    }

    /// Whether the kernel started it, so that the loader learns its origin from /proc/self/exe. A library that was asked
    /// for is opened by its path.
    pub(crate) fn is_executed(&self, at: usize) -> bool {
        at == MAIN && self.loaded[at].object.interpreter.is_some()
    }

    /// Takes in the program's interpreter. Says no for a program that has none or whose interpreter is not there.
    fn interpreter(&mut self) -> bool {
        let program = &self.loaded[MAIN];
        let name = match (&program.object.interpreter, &self.request.interpreter) {
            (Some(name), _) => name.clone(),
            (None, Some(path)) if !program.object.needs.is_empty() => path.to_string_lossy().into_owned(),
            _ => return false,
        };
        let (path, machine) = (join(&self.request.cwd, &name), program.object.machine);
        let refused = match self.finder.resolver.resolve(&path) {
            Ok(resolved) => match self.finder.object(&resolved) {
                Ok(object) if object.machine == machine && object.is_loadable() => {
                    self.loader = search::flavour(&name, &self.loaded[MAIN].object);
                    let member = self.member(path, resolved, Role::Interpreter, How::Path, &name, Some(MAIN));
                    let at = self.add(object, member, None);
                    // A library may need the interpreter by the name it is called by.
                    self.call(&name, at);
                    return true;
                }
                Ok(object) => vec![Refused { path: resolved.real, why: format!("it is made for {}", object.machine) }],
                Err(error) => vec![Refused { path: resolved.real, why: error.to_string() }],
            },
            Err(_) => Vec::new(),
        };
        let needed_by = self.path(MAIN).to_owned();
        self.out.missing.push(Missing { name, role: Role::Interpreter, needed_by, searched: vec![path], refused });
        false
    }

    /// Asks for what the object at `at` needs.
    fn needs_of(&mut self, at: usize, done: usize) {
        let object = Rc::clone(&self.loaded[at].object);
        // glibc puts a filtee before the object that names it, so the filtees' needs are the next to be met.
        let mut place = done;
        for need in &object.needs {
            if self.loader == Loader::Musl && need.kind != NeedKind::Needed {
                continue;
            }
            let optional = match need.kind {
                NeedKind::Needed => false,
                NeedKind::Auxiliary => true,
                // rtld looks for it when a symbol is wanted, and goes on without it.
                NeedKind::Filter => self.loader == Loader::FreeBsd,
            };
            let ask = Ask { by: at, how: None, optional };
            let Some(found) = self.ask(&need.name, ask) else { continue };
            if self.loader == Loader::Glibc && need.kind != NeedKind::Needed {
                match self.queue.iter().position(|&queued| queued == found) {
                    Some(earlier) if earlier < place => continue,
                    Some(later) => _ = self.queue.remove(later),
                    None => {}
                }
                self.queue.insert(place, found);
                self.loaded[found].queued = true;
                place += 1;
            } else {
                self.enqueue(found);
            }
        }
    }

    fn enqueue(&mut self, at: usize) {
        if !std::mem::replace(&mut self.loaded[at].queued, true) {
            self.queue.push(at);
        }
    }

    /// Finds one object: among those loaded, else in the tree.
    fn ask(&mut self, name: &str, ask: Ask) -> Option<usize> {
        let expanded;
        let name = if name.contains('$') {
            // A name that can't be expanded is looked for as it is, and so not found.
            expanded = search::expand(self, name, ask.by);
            expanded.as_deref().unwrap_or(name)
        } else {
            name
        };
        let by_name = self.by_name.get(name).copied();
        if by_name.is_some() {
            return by_name;
        }
        match search::find(self, name, ask.by) {
            Found::Loaded(at) => Some(at),
            Found::At { path, resolved, object, how, main_origin } => {
                self.out.needs_proc |= main_origin;
                let known = self.by_id.get(&resolved.meta.id).copied();
                let member = self.member(path, resolved, Role::Library, ask.how.unwrap_or(how), name, Some(ask.by));
                let at = known.unwrap_or_else(|| self.add(object, member, Some(ask.by)));
                self.call(name, at);
                Some(at)
            }
            Found::Not { searched, refused } => {
                if !ask.optional {
                    let (name, needed_by) = (name.into(), self.path(ask.by).to_owned());
                    self.lacks(Missing { name, role: Role::Library, needed_by, searched, refused });
                }
                None
            }
        }
    }

    /// Puts down what is not there, once.
    fn lacks(&mut self, missing: Missing) {
        if self.lacked.insert(missing.name.clone()) {
            let list = if self.late { &mut self.out.wanting } else { &mut self.out.missing };
            list.push(missing);
        }
    }

    /// Gives an object one more name, if that is free.
    fn call(&mut self, name: &str, at: usize) {
        // Most are asked for by what they call themselves, and were given that name just now.
        if self.named.last().is_some_and(|last| **last == *name) {
            return;
        }
        let name: Rc<str> = name.into();
        if let Entry::Vacant(place) = self.by_name.entry(Rc::clone(&name)) {
            place.insert(at);
            self.named.push(name);
        }
    }

    fn add(&mut self, object: Rc<Object>, member: usize, by: Option<usize>) -> usize {
        let at = self.loaded.len();
        self.by_id.insert(self.out.members[member].resolved.meta.id, at);
        // musl knows an object by the name of its file alone.
        if let Some(soname) = object.soname.as_ref().filter(|_| self.loader != Loader::Musl) {
            self.call(soname, at);
        }
        let above = by.and_then(|by| if self.is_inherited(by) { Some(by) } else { self.loaded[by].above });
        self.loaded.push(Loaded { object, member, above, queued: false, rpath: None, runpath: None });
        at
    }

    /// Whether what an object says of where to search is for those too who come with it.
    fn is_inherited(&self, at: usize) -> bool {
        let object = &self.loaded[at].object;
        match self.loader {
            Loader::Glibc => object.rpath.is_some() && object.runpath.is_none(),
            Loader::Musl => object.rpath.is_some() || object.runpath.is_some(),
            Loader::FreeBsd => false,
        }
    }

    /// Puts a path down, and says its place. One file may be there by several: each is opened, so each has to be there.
    fn member(
        &mut self,
        path: PathBuf,
        resolved: Resolved,
        role: Role,
        how: How,
        name: &str,
        by: Option<usize>,
    ) -> usize {
        if let Some(known) = self.known_member(&path, resolved.meta.id) {
            return known;
        }
        let needed_by = by.map(|by| self.path(by).to_owned());
        self.put(Member { path, resolved, role, how, name: name.into(), needed_by })
    }

    fn put(&mut self, member: Member) -> usize {
        let at = self.out.members.len();
        self.out.members.push(member);
        self.learn(at);
        at
    }

    /// Remembers a member by its file, or by its path where that is the second of one file.
    fn learn(&mut self, at: usize) {
        let member = &self.out.members[at];
        match self.firsts.entry(member.resolved.meta.id) {
            Entry::Vacant(place) => _ = place.insert(at),
            Entry::Occupied(_) => _ = self.seconds.entry(member.path.clone().into()).or_insert(at),
        }
    }

    /// The member of this path, if it is one.
    fn known_member(&self, path: &Path, id: FileId) -> Option<usize> {
        let &first = self.firsts.get(&id)?;
        let same = self.out.members[first].path.as_os_str() == path.as_os_str();
        if same { Some(first) } else { self.seconds.get(path.as_os_str()).copied() }
    }
}
