//! One test a rule, on trees in memory with ELF files made for it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::unreadable_literal)]

#[path = "rules/elf.rs"]
mod elf;
#[path = "rules/elf_file.rs"]
mod elf_file;
#[path = "rules/execve.rs"]
mod execve;
#[path = "rules/freebsd.rs"]
mod freebsd;
#[path = "rules/glibc.rs"]
mod glibc;
#[path = "rules/hostile.rs"]
mod hostile;
#[path = "rules/library.rs"]
mod library;
#[path = "rules/loads.rs"]
mod loads;
#[path = "rules/musl.rs"]
mod musl;
#[path = "rules/plugins.rs"]
mod plugins;
#[path = "rules/secure.rs"]
mod secure;
#[path = "rules/uses.rs"]
mod uses;

use std::path::Path;

use elf_file::Elf;
use thinjail_closure::closure::{Closure, How, Request, Role, System, find};
use thinjail_closure::machine::{Cpu, Machine};
use thinjail_closure::tree::MemTree;

/// A tree, a program in it, and what it is started with.
struct World {
    tree: MemTree,
    request: Request,
    system: System,
}

impl World {
    /// A program at /app/bin/main with its interpreter.
    fn new(interpreter: &str, program: Elf) -> Self {
        let mut tree = MemTree::new();
        tree.file("/app/bin/main", &program.build());
        let name = interpreter.rsplit('/').next().unwrap();
        tree.file(interpreter, &elf_file::library().soname(name).build());
        let system =
            System { cpu: Cpu::x86_64(3), accept: Some(vec![Machine::X86_64, Machine::I386]), ..System::default() };
        Self { tree, request: Request::new("/app/bin/main"), system }
    }

    fn file(mut self, path: &str, elf: Elf) -> Self {
        self.tree.file(path, &elf.build());
        self
    }

    /// An empty library in each place.
    fn libraries(mut self, paths: &[&str]) -> Self {
        for path in paths {
            self.tree.file(path, &elf_file::library().build());
        }
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.request.env.insert(name.into(), value.into());
        self
    }

    fn find(&self) -> Closure {
        find(&self.tree, self.system.clone(), &self.request).unwrap()
    }

    /// The paths of the libraries in order.
    fn found(&self) -> Vec<String> {
        let closure = self.find();
        assert_eq!(closure.missing, []);
        paths(&closure)
    }

    fn missing(&self) -> Vec<String> {
        self.find().missing.into_iter().map(|missing| missing.name).collect()
    }
}

fn paths(closure: &Closure) -> Vec<String> {
    let libraries = closure.members.iter().filter(|member| member.role == Role::Library);
    libraries.map(|member| member.path.to_str().unwrap().to_owned()).collect()
}

fn how(closure: &Closure, path: &str) -> How {
    closure.members.iter().find(|member| member.path == Path::new(path)).unwrap().how
}
