//! What is asked: a system, and a program on it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::elf::Priority;
use crate::machine::{Cpu, Machine};

/// What holds for all programs of a system.
#[derive(Clone, Debug, Default)]
pub struct System {
    /// The processor the programs will run on.
    pub cpu: Cpu,
    /// The machines whose programs the kernel runs; none for any.
    pub accept: Option<Vec<Machine>>,
    /// `uname -r`, for FreeBSD's `$OSREL`.
    pub release: Option<String>,
    /// The user who is trusted beside root when a link is judged: [`crate::tree::Link::loose`].
    pub caller: u32,
}

impl System {
    /// The one this runs on, for the user `caller`.
    #[must_use]
    pub fn running(caller: u32) -> Self {
        let accept = Machine::run_by(std::env::consts::ARCH);
        Self { cpu: Cpu::running(), accept: (!accept.is_empty()).then(|| accept.to_vec()), release: None, caller }
    }
}

/// A program whose closure is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// With a `/` a path, else a name to look for in `PATH`.
    pub program: String,
    /// The environment it is started with, of which `PATH`, `LD_LIBRARY_PATH` and `LD_PRELOAD` count.
    pub env: BTreeMap<String, String>,
    /// The directory it is started in, for what is relative.
    pub cwd: PathBuf,
    /// The interpreter for a file that names none but needs libraries: for a library itself, which then needs no permission
    /// to be executed. Without it such a file is a program that brings its own loader, as a static one is.
    pub interpreter: Option<PathBuf>,
    /// Whether what no file names is looked for too: what libc loads by itself, and what the program uses. Most of the time
    /// goes into that, since it takes the symbols of all libraries.
    pub implied: bool,
    /// Whether /etc/nsswitch.conf counts: the modules by which glibc looks up names are then members, for a program that
    /// does. A jail may have such a file of its own, that names none. It takes [`Request::implied`].
    pub name_services: bool,
    /// The least that must depend on a library which an object's note says that it loads by dlopen(3), for that library to
    /// be a member. It takes [`Request::implied`] for any of them.
    pub dlopen: Priority,
    /// Whether it starts with more rights than its caller has, as getauxval(3) says by `AT_SECURE`: set-user-ID, set-group-ID,
    /// with capabilities of the file. A loader then passes over most of the environment. It is not so in a jail, and
    /// nowhere where no_new_privs is set.
    pub secure: bool,
    /// What it loads when it runs and no file says: a plug-in, or a directory in which all plug-ins and programs count. Each
    /// object is loaded as if by dlopen(3) and forgotten before the next one, since nothing says which of them meet in one
    /// process. What they lack is no reason for the program not to start: [`Closure::wanting`].
    ///
    /// [`Closure::wanting`]: crate::closure::Closure::wanting
    pub loads: Vec<PathBuf>,
}

impl Request {
    /// A program with an empty environment, started in `/`.
    #[must_use]
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            env: BTreeMap::new(),
            cwd: "/".into(),
            interpreter: None,
            implied: true,
            name_services: false,
            dlopen: Priority::Recommended,
            secure: false,
            loads: Vec::new(),
        }
    }

    /// The same with a search path.
    #[must_use]
    pub fn path(mut self, directories: &str) -> Self {
        self.env.insert("PATH".into(), directories.into());
        self
    }

    /// The same with what it loads when it runs.
    #[must_use]
    pub fn loads(mut self, paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.loads.extend(paths.into_iter().map(Into::into));
        self
    }
}
