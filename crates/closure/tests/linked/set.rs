//! A directory of programs and libraries made by as(1) and ld(1), and the comparison. In all texts `@` is the directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use thinjail_closure::closure::{Closure, Request, Role, System, find};
use thinjail_closure::tree::DirTree;
use thinjail_tests::skip::{self, Lack};
use thinjail_tests::temp::TempDir;

/// Whom a set is for.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    /// `ld -m`.
    pub(crate) emulation: &'static str,
    /// Of as(1).
    pub(crate) assemble: &'static str,
    pub(crate) interpreter: &'static str,
}

pub(crate) const GLIBC: Target =
    Target { emulation: "elf_x86_64", assemble: "--64", interpreter: "/lib64/ld-linux-x86-64.so.2" };
pub(crate) const GLIBC_32: Target =
    Target { emulation: "elf_i386", assemble: "--32", interpreter: "/lib/ld-linux.so.2" };
pub(crate) const MUSL: Target =
    Target { emulation: "elf_x86_64", assemble: "--64", interpreter: "/lib/ld-musl-x86_64.so.1" };

/// What an object says, for the linker.
#[derive(Clone, Default)]
pub(crate) struct Object {
    needs: Vec<String>,
    options: Vec<String>,
}

pub(crate) fn object() -> Object {
    Object::default()
}

impl Object {
    pub(crate) fn needs(mut self, name: &str) -> Self {
        self.needs.push(name.into());
        self
    }

    pub(crate) fn option(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    pub(crate) fn soname(self, name: &str) -> Self {
        self.option(&["-soname", name])
    }

    pub(crate) fn rpath(self, path: &str) -> Self {
        self.option(&["--disable-new-dtags", "-rpath", path])
    }

    pub(crate) fn runpath(self, path: &str) -> Self {
        self.option(&["--enable-new-dtags", "-rpath", path])
    }
}

pub(crate) struct Set {
    pub(crate) dir: TempDir,
    target: Target,
    pub(crate) env: BTreeMap<String, String>,
}

impl Set {
    pub(crate) fn new(target: Target) -> Result<Self, Lack> {
        skip::path(target.interpreter)?;
        skip::program("ld")?;
        let set = Self { dir: TempDir::new(), target, env: BTreeMap::new() };
        for (flag, name) in [(target.assemble, "empty.o"), ("--32", "empty32.o")] {
            set.run(Command::new("as").args([flag, "/dev/null", "-o", &set.dir.at(name)]));
        }
        set.dir.dir("stubs");
        Ok(set)
    }

    fn run(&self, command: &mut Command) {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// `@` replaced.
    pub(crate) fn text(&self, text: &str) -> String {
        text.replace('@', self.dir.path().to_str().unwrap())
    }

    pub(crate) fn env(&mut self, name: &str, value: &str) {
        self.env.insert(name.into(), self.text(value));
    }

    fn link(&self, at: &str, emulation: &str, empty: &str, object: &Object, arguments: &[&str]) {
        let path = self.dir.path().join(at);
        self.dir.dir(Path::new(at).parent().unwrap().to_str().unwrap());
        let mut ld = Command::new("ld");
        ld.args(["-m", emulation, "-e", "0", "--no-as-needed", "-o"]).arg(&path).args(arguments);
        ld.args(object.options.iter().map(|option| self.text(option))).arg(self.dir.at(empty));
        for need in &object.needs {
            ld.arg(self.stub(&self.text(need), emulation, empty));
        }
        // Stubs are found by their paths; what they are called is not looked for.
        self.run(ld.arg("--allow-shlib-undefined"));
    }

    /// A library that is needed by exactly this name.
    fn stub(&self, name: &str, emulation: &str, empty: &str) -> PathBuf {
        let path = self.dir.path().join("stubs").join(format!("{emulation} {}", name.replace('/', "|")));
        if !path.exists() {
            self.run(Command::new("ld").args(["-m", emulation, "-shared", "-o"]).arg(&path).args([
                "-soname",
                name,
                &self.dir.at(empty),
            ]));
        }
        path
    }

    pub(crate) fn library(&self, at: &str, object: &Object) {
        self.link(at, self.target.emulation, "empty.o", object, &["-shared"]);
    }

    pub(crate) fn libraries(&self, all: &[&str]) {
        for at in all {
            self.library(at, &object());
        }
    }

    /// One of 32 bits.
    pub(crate) fn narrow(&self, at: &str) {
        self.link(at, "elf_i386", "empty32.o", &object(), &["-shared"]);
    }

    pub(crate) fn program(&self, at: &str, object: &Object) {
        self.link(at, self.target.emulation, "empty.o", object, &["-pie", "-dynamic-linker", self.target.interpreter]);
    }

    /// The loader, asked to list what it would load for a program.
    pub(crate) fn trace(&self, program: &str) -> Output {
        let program = self.dir.path().join(program);
        // musl's loader lists only when it is called itself; glibc's then stops at the first library that is missing.
        let mut command = match self.target.interpreter.contains("musl") {
            true => Command::new(self.target.interpreter),
            false => Command::new(&program),
        };
        if self.target.interpreter.contains("musl") {
            command.arg("--list").arg(program);
        }
        let command = command.env_clear().envs(&self.env).env("LD_TRACE_LOADED_OBJECTS", "1");
        command.current_dir(self.dir.path()).output().unwrap()
    }

    pub(crate) fn request(&self, program: &str) -> Request {
        let mut request = Request::new(self.dir.at(program));
        request.env = self.env.clone();
        request.cwd = self.dir.path().into();
        request.implied = false;
        request
    }

    pub(crate) fn find(&self, program: &str) -> Closure {
        find(&DirTree::host().unwrap(), System::running(0), &self.request(program)).unwrap()
    }

    /// What `program` loads, in order, as seen from the directory; a name that is not found has a `?` before it. Ours and
    /// the loader's are the same.
    pub(crate) fn same(&self, program: &str) -> Vec<String> {
        let ours = self.ours(&self.find(program));
        let theirs = self.theirs(&self.trace(program));
        assert_eq!(ours, theirs, "ours and the loader's");
        ours
    }

    fn inside(&self, path: &str) -> String {
        path.strip_prefix(self.dir.path().to_str().unwrap()).map_or(path, |path| path.trim_start_matches('/')).into()
    }

    pub(crate) fn ours(&self, closure: &Closure) -> Vec<String> {
        let libraries = closure.members.iter().filter(|member| member.role == Role::Library);
        let mut seen = Vec::new();
        let mut all = Vec::new();
        // The loader lists a file once, however many names lead to it.
        for member in libraries.filter(|member| {
            let fresh = !seen.contains(&member.resolved.meta.id);
            seen.push(member.resolved.meta.id);
            fresh
        }) {
            all.push(self.inside(member.path.to_str().unwrap()));
        }
        all.extend(closure.missing.iter().map(|missing| format!("?{}", missing.name)));
        all
    }

    pub(crate) fn theirs(&self, output: &Output) -> Vec<String> {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for line in String::from_utf8(output.stdout.clone()).unwrap().lines() {
            let line = line.trim();
            let (name, path) = line.split_once(" => ").unwrap_or((line, line));
            let path = path.rsplit_once(" (0x").map_or(path, |(path, _)| path);
            if path == "not found" {
                missing.push(format!("?{name}"));
            } else if path.starts_with('/') && path != self.target.interpreter {
                found.push(self.inside(path));
            }
        }
        found.extend(missing);
        found
    }
}
