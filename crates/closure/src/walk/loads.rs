//! What a program loads when it runs: each object as if by dlopen(3), on top of what the loader loaded before `main`.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Ask, INTERPRETER, MAIN, Walk};
use crate::closure::{Closure, How, Member, Missing, Request, Role};
use crate::elf::{Dlopen, Priority};

/// Where a walk stands, to come back to.
struct Mark {
    loaded: usize,
    queue: usize,
    named: usize,
}

impl Walk<'_, '_> {
    /// What objects say in notes that they load by dlopen(3), and what these say in turn. Says how much of the queue is done.
    pub(super) fn dlopens(&mut self, mut done: usize) -> usize {
        let mut at = 0;
        while let Some(object) = self.loaded.get(at).map(|loaded| Rc::clone(&loaded.object)) {
            for dlopen in object.dlopens.iter().filter(|dlopen| dlopen.priority <= self.request.dlopen) {
                let ask = Ask { by: at, how: Some(How::Dlopen), optional: true };
                match dlopen.sonames.iter().find_map(|soname| self.ask(soname, ask)) {
                    Some(found) => self.enqueue(found),
                    None => self.not_opened(dlopen, at),
                }
                done = self.run_queue(done);
            }
            at += 1;
        }
        done
    }

    fn not_opened(&mut self, dlopen: &Dlopen, by: usize) {
        let (name, needed_by) = (dlopen.sonames.join(" or "), self.path(by).to_owned());
        let missing = Missing { name, role: Role::Library, needed_by, searched: Vec::new(), refused: Vec::new() };
        let late = std::mem::replace(&mut self.late, dlopen.priority != Priority::Required);
        self.lacks(missing);
        self.late = late;
    }

    /// [`Request::loads`], one after the other.
    pub(super) fn loads(&mut self) {
        let request = self.request;
        self.late = true;
        for path in &request.loads {
            let path = request.cwd.join(path);
            match self.finder.objects_below(&path) {
                Ok(objects) => objects.into_iter().for_each(|object| self.load(&object)),
                Err(_) => self.wanting(&path),
            }
        }
    }

    fn load(&mut self, path: &Path) {
        // A name that is not UTF-8 can't stand in a closure.
        let (Some((resolved, object)), Some(name)) = (self.finder.loadable(path), path.to_str()) else { return };
        if object.interpreter.is_some() && resolved.meta.mode & 0o111 != 0 {
            self.beside(name, None);
        } else if self.loaded.len() <= INTERPRETER {
            // A static program loads nothing: it is for another one, of which no more is known.
            let interpreter = self.finder.usual_interpreter(path);
            self.beside(name, interpreter);
        } else if object.machine == self.loaded[MAIN].object.machine {
            let mark = self.mark();
            let ask = Ask { by: MAIN, how: Some(How::Plugin), optional: false };
            if let Some(at) = self.ask(name, ask) {
                let done = self.queue.len();
                self.enqueue(at);
                self.run_queue(done);
            }
            self.back_to(&mark);
        }
    }

    /// Takes in the closure of another program.
    fn beside(&mut self, program: &str, interpreter: Option<PathBuf>) {
        let (env, cwd) = (self.request.env.clone(), self.request.cwd.clone());
        let request = Request { env, cwd, interpreter, implied: self.request.implied, ..Request::new(program) };
        let needed_by = self.path(MAIN).to_owned();
        // What the kernel does not run is not for this system.
        let Ok(closure) = self.finder.find(&request) else { return };
        let Closure { members, missing, needs_proc, cache, .. } = closure;
        for member in members {
            if self.known_member(&member.path, member.resolved.meta.id).is_none() {
                self.put(match member.role {
                    Role::Program => {
                        Member { role: Role::Library, how: How::Plugin, needed_by: Some(needed_by.clone()), ..member }
                    }
                    _ => member,
                });
            }
        }
        for missing in missing {
            self.lacks(missing);
        }
        self.out.needs_proc |= needs_proc;
        self.out.cache = self.out.cache.or(cache);
    }

    fn wanting(&mut self, path: &Path) {
        let (name, needed_by) = (path.to_string_lossy().into_owned(), self.path(MAIN).to_owned());
        let searched = vec![path.to_owned()];
        self.lacks(Missing { name, role: Role::Library, needed_by, searched, refused: Vec::new() });
    }

    fn mark(&self) -> Mark {
        Mark { loaded: self.loaded.len(), queue: self.queue.len(), named: self.named.len() }
    }

    /// Forgets the objects loaded since, but not that they are members.
    fn back_to(&mut self, mark: &Mark) {
        for loaded in self.loaded.drain(mark.loaded..) {
            self.by_id.remove(&self.out.members[loaded.member].resolved.meta.id);
        }
        for name in self.named.drain(mark.named..) {
            self.by_name.remove(&name);
        }
        for at in self.queue.drain(mark.queue..) {
            if let Some(loaded) = self.loaded.get_mut(at) {
                loaded.queued = false;
            }
        }
    }
}
