//! A small system that an input describes, in which programs are asked for.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use thinjail_closure::closure::{Request, System};
use thinjail_closure::machine::{Cpu, Machine};
use thinjail_closure::tree::{Kind, MemTree, Meta, ReadAt, Tree};

use crate::Input;
use crate::elf_file::{self, Elf};

/// Names that mean something to a loader, so that an input of a few bytes meets its rules.
const NAMES: &[&str] = &[
    "liba.so",
    "libb.so.1",
    "libc.so.6",
    "libc.so",
    "libc.so.7",
    "libgcc_s.so.1",
    "/lib/liba.so",
    "../lib/libb.so.1",
    "$ORIGIN/liba.so",
    "${LIB}/liba.so",
    "$PLATFORM",
    "$OSREL",
    "",
    ".",
    "..",
    "/",
    "//",
    "lib/x",
    "main",
];

const DIRECTORIES: &[&str] = &[
    "/lib",
    "/usr/lib",
    "$ORIGIN",
    "$ORIGIN/../lib",
    "/lib64",
    "",
    ".",
    "..",
    "/../../..",
    "/app/lib",
    "${ORIGIN}/x",
    "/lib:/usr/lib",
    "$LIB",
    "/usr/local/lib",
    "/loop/a",
];

const PATHS: &[&str] = &[
    "/app/main",
    "/bin/sh",
    "/usr/bin/env",
    "/bin/python3",
    "/lib/liba.so",
    "/lib/libb.so.1",
    "/lib/libc.so.6",
    "/usr/lib/liba.so",
    "/lib64/libc.so.6",
    "/app/lib/liba.so",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/ld-musl-x86_64.path",
    "/var/run/ld-elf.so.hints",
    "/etc/libmap.conf",
    "/etc/x.conf",
    "/lib/libgcc_s.so.1",
    "/loop/a",
    "/loop/b",
    "/lib64/glibc-hwcaps/x86-64-v3/liba.so",
    "/app/plugins/p.so",
    "/lib/libc.so.7",
];

const INTERPRETERS: &[&str] = &[
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-musl-x86_64.so.1",
    "/libexec/ld-elf.so.1",
    "/lib/ld-linux.so.2",
    "/lib/x",
];

const LINKS: &[&str] =
    &["liba.so", "../lib", "/loop/a", "/loop/b", "/usr/lib", "../../../../etc", "/lib/liba.so", "/", ""];

/// A tree and a question.
#[derive(Debug)]
pub struct World {
    /// The files.
    pub tree: MemTree,
    /// What is asked.
    pub request: Request,
    /// For which processor.
    pub system: System,
}

impl World {
    /// The one that an input describes.
    pub fn of(input: &mut Input<'_>) -> Self {
        let mut tree = MemTree::new();
        let interpreter = input.one(INTERPRETERS);
        tree.file(interpreter, &elf_file::library().soname("libc.so").build());
        tree.file("/app/main", &elf(input, Some(interpreter)));
        let mut request = Request::new("/app/main").path("/bin:/usr/bin::bin");
        let level = input.byte();
        if level & 1 != 0 {
            request.env.insert("LD_LIBRARY_PATH".into(), input.one(DIRECTORIES).into());
        }
        if level & 2 != 0 {
            request.env.insert("LD_PRELOAD".into(), input.one(NAMES).into());
        }
        if level & 4 != 0 {
            request.program = input.one(&["sh", "/bin/sh", "liba.so", "/lib/liba.so", "main", "/usr/bin/env"]).into();
            request.interpreter = (level & 8 != 0).then(|| interpreter.into());
        }
        if level & 16 != 0 {
            request.loads.push(input.one(PATHS).into());
            request.loads.push("/app/plugins".into());
        }
        if level & 32 != 0 {
            request.env.insert("LD_LIBMAP".into(), input.text());
        }
        while !input.ended() {
            let path = input.one(PATHS);
            match input.byte() % 6 {
                0..=2 => tree.file(path, &elf(input, None)),
                3 => tree.link(path, input.one(LINKS)),
                4 => tree.file(path, input.bytes()),
                _ => tree.special(path, input.one(&[Kind::Fifo, Kind::CharDevice, Kind::Directory, Kind::Socket])),
            };
        }
        let machines = vec![Machine::X86_64, Machine::I386];
        let accept = (level & 64 == 0).then_some(machines);
        Self { tree, request, system: System { cpu: Cpu::x86_64(level >> 6), accept, ..System::default() } }
    }
}

/// A program or a library with what a loader looks at, sometimes damaged.
fn elf(input: &mut Input<'_>, interpreter: Option<&str>) -> Vec<u8> {
    let mut elf: Elf = match interpreter {
        Some(interpreter) => elf_file::program(interpreter),
        None => elf_file::library(),
    };
    for _ in 0..input.byte() % 8 {
        elf = match input.byte() % 14 {
            0..=3 => elf.needs(input.one(NAMES)),
            4 => elf.soname(input.one(NAMES)),
            5 => elf.rpath(input.one(DIRECTORIES)),
            6 => elf.runpath(input.one(DIRECTORIES)),
            7 => elf.auxiliary(input.one(NAMES)),
            8 => elf.filter(input.one(NAMES)),
            9 => elf.no_default_lib(),
            10 => elf.symbol(input.one(&["dlopen", "pthread_exit", "getaddrinfo", "__syslog_chk", "x"])),
            11 => elf.text(input.one(&["/etc/hosts", "/etc/passwd", "/etc/", "zoneinfo"])),
            12 => elf.osabi(input.one(&[0, 3, 9])),
            _ => elf.machine(input.one(&[Machine::I386, Machine::AARCH64])),
        };
    }
    let mut bytes = elf.build();
    let damage = input.byte();
    if damage < 16 {
        for _ in 0..damage {
            let at = usize::from(input.byte()) << 4 | usize::from(input.byte() & 15);
            let value = input.byte();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
    } else if damage < 24 {
        bytes.truncate(usize::from(input.byte()) * 4);
    }
    bytes
}

/// A tree that is asked for nothing outside of it, and for no path that goes through a link.
#[derive(Debug)]
pub struct Watched<'t>(pub &'t MemTree);

impl Watched<'_> {
    fn look<'p>(&self, path: &'p Path) -> &'p Path {
        assert!(path.is_absolute(), "{path:?} is relative");
        let normal = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
        assert!(path.components().all(normal), "{path:?} goes up");
        assert!(!path.as_os_str().as_encoded_bytes().contains(&0), "{path:?} has a NUL");
        for above in path.ancestors().skip(1) {
            let kind = self.0.lstat(above).map(|meta| meta.kind);
            assert!(kind.is_ok_and(|kind| kind == Kind::Directory), "{path:?} goes through {above:?}, no directory");
        }
        path
    }
}

impl Tree for Watched<'_> {
    fn lstat(&self, path: &Path) -> io::Result<Meta> {
        self.0.lstat(self.look(path))
    }

    fn readlink(&self, path: &Path) -> io::Result<PathBuf> {
        self.0.readlink(self.look(path))
    }

    fn open(&self, path: &Path) -> io::Result<Rc<dyn ReadAt>> {
        self.0.open(self.look(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        self.0.list(self.look(path))
    }
}
