//! A host in memory. It answers exactly what `wants` asks, so a test fails when `resolve` needs what was never asked for.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use thinjail_closure::closure::{CacheMark, Closure, How, Loader, Member, Missing, Role};
use thinjail_closure::tree::{FileId, Kind, Link, Meta, Resolved};
use thinjail_plan::facts::{
    Cgroup, EnvFileFact, Facts, Group, LinksFact, Mounted, PathFact, ProgramFact, RuntimeFact, System, SystemKind, User,
};
use thinjail_plan::path::HostPath;
use thinjail_plan::plan::Plan;
use thinjail_plan::resolve::{Problem, resolve};
use thinjail_plan::spec::{Spec, Words, toml};
use thinjail_plan::wants::wants;

#[derive(Clone)]
pub struct Node {
    pub kind: Kind,
    pub to: String,
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
    pub loose: bool,
}

#[derive(Clone)]
pub struct World {
    pub system: System,
    pub caller: u32,
    pub nodes: BTreeMap<String, Node>,
    pub programs: BTreeMap<String, ProgramFact>,
    pub users: Vec<User>,
    pub groups: Vec<Group>,
    pub cgroups: Vec<Cgroup>,
    pub landlock: u32,
    pub mounts: Vec<Mounted>,
    pub runtime: Option<RuntimeFact>,
    pub env_files: BTreeMap<HostPath, EnvFileFact>,
    pub links: BTreeMap<HostPath, LinksFact>,
}

impl std::fmt::Debug for World {
    /// Short, for the sake of a failed property's message.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.system)
    }
}

impl World {
    /// A Debian with a program /bin/true that needs libc, and a user `www-data`.
    pub fn linux() -> Self {
        let mut world = Self::empty(System::Linux { release: "6.18.0".into() });
        for (at, to) in [("/bin", "usr/bin"), ("/lib", "usr/lib"), ("/lib64", "usr/lib64"), ("/var/run", "/run")] {
            world.link(at, to);
        }
        for name in ["null", "zero", "full", "random", "urandom", "tty"] {
            world.put(&format!("/dev/{name}"), Kind::CharDevice);
        }
        for dir in ["/run", "/var/lib", "/var/log", "/var/cache", "/tmp", "/usr/local/bin"] {
            world.dir(dir);
        }
        for file in ["/etc/hosts", "/etc/resolv.conf", "/etc/services", "/usr/share/zoneinfo/Etc/UTC"] {
            world.file(file);
        }
        world.file("/etc/ssl/certs/ca-certificates.crt");
        world.link("/usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt");
        world.link("/etc/localtime", "/usr/share/zoneinfo/Etc/UTC");
        world.file("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
        world.link("/usr/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
        world.file("/usr/lib/x86_64-linux-gnu/libc.so.6");
        world.program("/bin/true", &[("libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6")]);
        world.user("root", 0, 0, "/root", "/bin/bash").user("www-data", 33, 33, "/var/www", "/usr/sbin/nologin");
        world.user("nobody", 65534, 65534, "/nonexistent", "/usr/sbin/nologin");
        world.group("root", 0).group("adm", 4).group("www-data", 33).group("nogroup", 65534);
        world
    }

    /// A FreeBSD with a program /bin/true that needs libc, and a user `www`.
    pub fn freebsd(osreldate: u32) -> Self {
        let mut world = Self::empty(System::FreeBsd { osreldate });
        for dir in ["/var/run", "/var/db", "/var/log", "/var/cache", "/tmp", "/usr/local/bin"] {
            world.dir(dir);
        }
        for file in ["/etc/hosts", "/etc/resolv.conf", "/etc/services", "/etc/localtime"] {
            world.file(file);
        }
        world.file("/usr/share/certs/trusted.pem").link("/etc/ssl/cert.pem", "../../usr/share/certs/trusted.pem");
        world.file("/libexec/ld-elf.so.1").file("/lib/libc.so.7");
        world.program("/bin/true", &[("libc.so.7", "/lib/libc.so.7")]);
        world.user("root", 0, 0, "/root", "/bin/csh").user("www", 80, 80, "/nonexistent", "/usr/sbin/nologin");
        world.group("wheel", 0).group("www", 80);
        world
    }

    fn empty(system: System) -> Self {
        let mut world = Self {
            system,
            caller: 0,
            nodes: BTreeMap::new(),
            programs: BTreeMap::new(),
            users: Vec::new(),
            groups: Vec::new(),
            cgroups: Vec::new(),
            landlock: 7,
            mounts: Vec::new(),
            runtime: None,
            env_files: BTreeMap::new(),
            links: BTreeMap::new(),
        };
        world.put("/", Kind::Directory);
        world
    }

    pub fn put(&mut self, at: &str, kind: Kind) -> &mut Self {
        self.own(at, kind, 0, if kind == Kind::Directory { 0o755 } else { 0o644 })
    }

    pub fn own(&mut self, at: &str, kind: Kind, uid: u32, mode: u32) -> &mut Self {
        if let Some((parent, _)) = at.rsplit_once('/')
            && !parent.is_empty()
            && !self.nodes.contains_key(parent)
        {
            self.put(parent, Kind::Directory);
        }
        self.nodes.insert(at.into(), Node { kind, to: String::new(), uid, gid: uid, mode, loose: false });
        self
    }

    pub fn dir(&mut self, at: &str) -> &mut Self {
        self.put(at, Kind::Directory)
    }

    pub fn file(&mut self, at: &str) -> &mut Self {
        self.put(at, Kind::File)
    }

    pub fn link(&mut self, at: &str, to: &str) -> &mut Self {
        self.link_of(0, false, at, to)
    }

    pub fn link_of(&mut self, uid: u32, loose: bool, at: &str, to: &str) -> &mut Self {
        self.own(at, Kind::Symlink, uid, 0o777);
        let node = self.nodes.get_mut(at).unwrap();
        (node.to, node.loose) = (to.into(), loose);
        self
    }

    pub fn user(&mut self, name: &str, uid: u32, gid: u32, home: &str, shell: &str) -> &mut Self {
        let (name, home, shell) = (name.into(), home.into(), shell.into());
        self.users.push(User { name, uid, gid, home, shell, groups: Vec::new() });
        self
    }

    pub fn group(&mut self, name: &str, gid: u32) -> &mut Self {
        self.groups.push(Group { name: name.into(), gid });
        self
    }

    pub fn interpreter(&self) -> &'static str {
        match self.system.kind() {
            SystemKind::Linux => "/lib64/ld-linux-x86-64.so.2",
            SystemKind::FreeBsd => "/libexec/ld-elf.so.1",
        }
    }

    /// A program with these libraries, all needed by itself; files that are not there yet are made.
    pub fn program(&mut self, path: &str, libraries: &[(&str, &str)]) -> &mut Self {
        self.program_as(path, path, libraries)
    }

    /// The same, asked for by name.
    pub fn program_as(&mut self, name: &str, path: &str, libraries: &[(&str, &str)]) -> &mut Self {
        let (how, loader) = match self.system.kind() {
            SystemKind::Linux => (How::Cache, Loader::Glibc),
            SystemKind::FreeBsd => (How::Hints, Loader::FreeBsd),
        };
        let mut members = vec![self.member(path, Role::Program, How::Asked, name, None)];
        if !libraries.is_empty() {
            let interpreter = self.interpreter();
            members.push(self.member(interpreter, Role::Interpreter, How::Path, interpreter, Some(path)));
        }
        for (soname, at) in libraries {
            let built_in = at.starts_with("/lib/") || at.starts_with("/usr/lib/");
            let how = if how == How::Hints && built_in { How::Default } else { how };
            members.push(self.member(at, Role::Library, how, soname, Some(path)));
        }
        let loader = (!libraries.is_empty()).then_some(loader);
        let cache = (loader == Some(Loader::Glibc)).then_some(CacheMark { flags: 0x0303, big_endian: false });
        let closure = Closure { members, loader, cache, ..Closure::default() };
        self.programs.insert(name.into(), ProgramFact::Closure(closure));
        self
    }

    pub fn closure(&mut self, name: &str) -> &mut Closure {
        match self.programs.get_mut(name).unwrap() {
            ProgramFact::Closure(closure) => closure,
            other => panic!("{other:?}"),
        }
    }

    pub fn missing(&mut self, program: &str, library: &str, searched: &[&str]) -> &mut Self {
        let searched = searched.iter().map(PathBuf::from).collect();
        let (name, role, needed_by, refused) = (library.into(), Role::Library, program.into(), Vec::new());
        self.closure(program).missing.push(Missing { name, role, needed_by, searched, refused });
        self
    }

    fn member(&mut self, path: &str, role: Role, how: How, name: &str, needed_by: Option<&str>) -> Member {
        while let PathFact::Missing { at, .. } = self.follow(path) {
            self.own(at.as_str(), Kind::Directory, 0, 0o755);
        }
        if let PathFact::Found(found) = self.follow(path) {
            self.nodes.get_mut(found.real.to_str().unwrap()).unwrap().kind = Kind::File;
        }
        let PathFact::Found(resolved) = self.follow(path) else { panic!("{path}") };
        Member { path: path.into(), resolved, role, how, name: name.into(), needed_by: needed_by.map(PathBuf::from) }
    }

    /// path_resolution(7).
    pub fn follow(&self, path: &str) -> PathFact {
        let mut pending: Vec<String> = path.split('/').rev().map(String::from).collect();
        let mut here = String::new();
        let mut links = Vec::new();
        while let Some(name) = pending.pop() {
            if name.is_empty() || name == "." {
                continue;
            }
            if name == ".." {
                here.truncate(here.rfind('/').unwrap_or(0));
                continue;
            }
            let next = format!("{here}/{name}");
            let Some(node) = self.nodes.get(&next) else {
                let parent = Resolved { links, meta: self.meta(&here), real: real(&here) };
                return PathFact::Missing { at: HostPath::new(&next).unwrap(), parent: Box::new(parent) };
            };
            if node.kind != Kind::Symlink {
                here = next;
                continue;
            }
            links.push(Link { at: next.into(), to: node.to.clone().into(), uid: node.uid, loose: node.loose });
            if links.len() > 40 {
                return PathFact::Refused { why: "too many links on the way".into() };
            }
            if node.to.starts_with('/') {
                here.clear();
            }
            pending.extend(node.to.split('/').rev().map(String::from));
        }
        PathFact::Found(Resolved { links, meta: self.meta(&here), real: real(&here) })
    }

    fn meta(&self, path: &str) -> Meta {
        let path = if path.is_empty() { "/" } else { path };
        // The same file has the same number, whatever is added later.
        let ino = path.bytes().fold(7, |sum: u64, byte| (sum * 31 + u64::from(byte)) % 1_000_003);
        let node = &self.nodes[path];
        Meta {
            id: FileId { dev: 1, ino },
            kind: node.kind,
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            nlink: 1,
            size: 4096,
        }
    }

    pub fn mount(&mut self, file_system: &str, at: &str) -> &mut Self {
        self.mounts.push(Mounted { at: HostPath::new(at).unwrap(), file_system: file_system.into() });
        self
    }

    /// What `inspect` would answer.
    pub fn facts(&self, spec: &Spec) -> Facts {
        let wants = wants(spec, self.system.kind());
        let absent = || ProgramFact::NotFound { why: "no such file".into() };
        let user = |text: &String| self.users.iter().find(|u| u.name == *text || u.uid.to_string() == *text).cloned();
        let group = |text: &String| self.groups.iter().find(|g| g.name == *text || g.gid.to_string() == *text).cloned();
        let caller = (self.caller != 0).then(|| self.caller.to_string());
        let asked = wants.users.iter().cloned().chain(caller);
        let users: BTreeMap<_, _> = asked.map(|text| (text.clone(), user(&text))).collect();
        let primary = users.values().flatten().map(|user| user.gid.to_string());
        let groups = wants.groups.iter().cloned().chain(primary).map(|text| (text.clone(), group(&text))).collect();
        let program = |name: &String| self.programs.get(name).cloned().unwrap_or_else(absent);
        let programs = wants.programs.iter().map(|name| (name.clone(), program(name))).collect();
        let usual = wants.by_need.as_ref().map(|by| by.paths(&programs)).unwrap_or_default();
        let runtime = self.runtime.clone().filter(|_| wants.runtime.is_some());
        let parts: Vec<HostPath> = match &runtime {
            Some(RuntimeFact::Parts { parts, .. }) => {
                parts.iter().map(|part| HostPath::from_path(&part.path).unwrap()).collect()
            }
            _ => Vec::new(),
        };
        let paths = wants.paths.iter().chain(&usual).chain(&parts);
        Facts {
            system: self.system.clone(),
            caller: self.caller,
            caller_gid: self.caller,
            caller_groups: Vec::new(),
            paths: paths.map(|path| (path.clone(), self.follow(path.as_str()))).collect(),
            programs,
            users,
            groups,
            cgroups: self.cgroups.clone(),
            landlock: self.landlock,
            mounts: self
                .mounts
                .iter()
                .filter(|mounted| wants.file_systems.contains(&mounted.file_system))
                .cloned()
                .collect(),
            runtime,
            env_files: self.env_files.clone(),
            links: self.links.clone(),
        }
    }

    pub fn resolve(&self, profile: &str) -> Result<Plan, Vec<Problem>> {
        let spec = spec(profile);
        resolve("test", &spec, &self.facts(&spec))
    }

    /// The plan of a profile that is fine.
    pub fn plan(&self, profile: &str) -> Plan {
        match self.resolve(profile) {
            Ok(plan) => plan,
            Err(problems) => panic!("{problems:#?}"),
        }
    }

    /// The problems of one that is not.
    pub fn problems(&self, profile: &str) -> Vec<Problem> {
        match self.resolve(profile) {
            Ok(plan) => panic!("no problem:\n{plan}"),
            Err(problems) => problems,
        }
    }

    /// The only problem: its text and its help.
    pub fn problem(&self, profile: &str) -> (String, String) {
        let mut problems = self.problems(profile);
        assert_eq!(problems.len(), 1, "{problems:#?}");
        let problem = problems.remove(0);
        (problem.what, problem.help.unwrap_or_default())
    }
}

fn real(path: &str) -> PathBuf {
    if path.is_empty() { "/".into() } else { path.into() }
}

/// A profile; with /bin/true as `www-data` (or `www`) where nothing else is written.
pub fn spec(profile: &str) -> Spec {
    let mut spec = toml::parse(profile, "test.toml").unwrap();
    if spec.command.is_empty() && !profile.contains("command") {
        spec.command = Words::Line("/bin/true".into());
    }
    spec
}

/// The line of the plan's text that begins with this verb and place.
pub fn line(plan: &Plan, verb: &str, at: &str) -> Option<String> {
    let text = plan.to_string();
    let of = |line: &&str| {
        let mut words = line.split_whitespace();
        let verb_words: Vec<_> = words.by_ref().take(verb.split(' ').count()).collect();
        verb_words.join(" ") == verb && words.next() == Some(at)
    };
    let found = text.lines().find(of)?;
    Some(found.split_whitespace().collect::<Vec<_>>().join(" "))
}
