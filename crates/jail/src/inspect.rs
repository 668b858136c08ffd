//! Answers what `wants` asks of a host, and nothing else. Looks, and decides nothing.

#[cfg(target_os = "linux")]
mod cgroups;
mod env_files;
mod getent;
mod links;
mod paths;
mod planned;
mod programs;
mod records;
mod runtime;
mod users;
mod verify;

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "freebsd")]
use freebsd as this_system;
#[cfg(target_os = "linux")]
use linux as this_system;

use std::io;
use std::path::Path;

use thinjail_closure::closure::{self, Finder, Objects};
use thinjail_closure::tree::{DirTree, Tree};
use thinjail_plan::facts::{Facts, System, SystemKind, Wants};

use crate::look::give_way;

pub use verify::verify;

/// A host to look at: this one, or the tree of another.
#[derive(Debug)]
pub struct Host {
    tree: DirTree,
    system: System,
    /// Whether it is the running one, whose name service can be asked.
    live: bool,
    /// What was read of programs and libraries, so that a second look parses nothing again.
    objects: Objects,
}

impl Host {
    /// This host.
    pub fn this() -> io::Result<Self> {
        Ok(Self { tree: DirTree::host()?, system: this_system::system()?, live: true, objects: Objects::default() })
    }

    /// A tree of files that stands for a host, whose system is told by what is in it unless it is given.
    pub fn at(root: &Path, kind: Option<SystemKind>) -> io::Result<Self> {
        let tree = DirTree::open_root(root)?;
        let system = system_of(&tree, kind);
        Ok(Self { tree, system, live: false, objects: Objects::default() })
    }

    /// What its loader goes by. Of another host nothing is known but its files: no processor, and so no library that only
    /// some processors can run.
    fn loader(&self, caller: u32) -> closure::System {
        match self.live {
            true => {
                let mut system = closure::System::running(caller);
                if let Some(machines) = &mut system.accept {
                    machines.retain(this_system::runs);
                }
                // `$OSREL` of FreeBSD's loader.
                system.release = Some(rustix::system::uname().release().to_string_lossy().into_owned());
                system
            }
            false => closure::System { caller, ..closure::System::default() },
        }
    }

    /// Its system.
    #[must_use]
    pub fn system(&self) -> &System {
        &self.system
    }
}

/// The system this program was built for.
#[must_use]
pub fn this_kind() -> SystemKind {
    this_system::KIND
}

/// Everything that was asked, answered. What can't be looked at is an answer too.
#[must_use]
pub fn inspect(host: &Host, wants: &Wants) -> Facts {
    let (caller, caller_gid, caller_groups) = caller();
    let mut finder = Finder::new(&host.tree, host.loader(caller), host.objects.clone());
    let runtime = runtime::runtime(&mut finder, wants);
    let loads = |name: &str| runtime.iter().flat_map(|fact| fact.loads(name)).map(Path::to_owned).collect();
    let programs = wants.programs.iter();
    let programs =
        programs.map(|name| (name.clone(), programs::program(&mut finder, name, wants, loads(name)))).collect();
    let usual = wants.by_need.as_ref().map(|by| by.paths(&programs)).unwrap_or_default();
    let parts = runtime::paths(runtime.as_ref());
    let links = links::look(finder.resolver(), &wants.links, caller);
    let ends = links::ends(&links);
    let paths = wants.paths.iter().chain(&usual).chain(&parts).chain(&ends);
    let paths = paths.enumerate().map(|(number, path)| {
        if host.live && number % 4 == 0 {
            give_way();
        }
        (path.clone(), paths::path(finder.resolver(), path))
    });
    let paths = paths.collect();
    let env_files = env_files::look(finder.resolver(), &wants.env_files);
    // Without root a jail runs as its caller, whoever is written.
    let asked = (caller != 0).then(|| Wants {
        users: wants.users.iter().cloned().chain([caller.to_string()]).collect(),
        groups: wants.groups.iter().cloned().chain([caller_gid.to_string()]).collect(),
        ..Wants::default()
    });
    let (users, groups) = users::accounts(host, finder.resolver(), asked.as_ref().unwrap_or(wants));
    let mounts = if host.live { this_system::mounts(&wants.file_systems) } else { Vec::new() };
    Facts {
        system: host.system.clone(),
        caller,
        caller_gid,
        caller_groups,
        paths,
        programs,
        users,
        groups,
        cgroups: if host.live { this_system::cgroups(&wants.controllers) } else { Vec::new() },
        landlock: if host.live { this_system::landlock() } else { 0 },
        mounts,
        runtime,
        env_files,
        links,
    }
}

/// Who asks: user, group, further groups. Those of root decide nothing.
fn caller() -> (u32, u32, Vec<u32>) {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    if uid == 0 {
        return (uid, gid, Vec::new());
    }
    let mut groups: Vec<u32> =
        rustix::process::getgroups().unwrap_or_default().into_iter().map(rustix::process::Gid::as_raw).collect();
    groups.sort_unstable();
    groups.dedup();
    (uid, gid, groups)
}

/// What a tree says of its system. Only its age matters, and an older FreeBSD can do less, so in doubt it is old.
fn system_of(tree: &DirTree, kind: Option<SystemKind>) -> System {
    let is_freebsd = || tree.lstat(Path::new("/libexec/ld-elf.so.1")).is_ok();
    match kind {
        Some(SystemKind::FreeBsd) => System::FreeBsd { osreldate: osreldate_of(tree).unwrap_or(1_300_000) },
        None if is_freebsd() => System::FreeBsd { osreldate: osreldate_of(tree).unwrap_or(1_300_000) },
        Some(SystemKind::Linux) | None => System::Linux { release: "unknown".into() },
    }
}

/// freebsd-version(1) is a script that holds the version of the files it came with.
fn osreldate_of(tree: &DirTree) -> Option<u32> {
    let bytes = records::read(tree, Path::new("/bin/freebsd-version"))?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("USERLAND_VERSION="))?;
    let (major, rest) = line.trim_matches('"').split_once('.')?;
    let minor = rest.split_once('-').map_or(rest, |(minor, _)| minor);
    Some(major.parse::<u32>().ok()?.checked_mul(100_000)? + minor.parse::<u32>().ok().filter(|&n| n < 100)? * 1000)
}
