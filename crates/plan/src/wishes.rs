//! What is to be mounted, as written: `read`, `write`, `[[mount]]`, `run-dir` and its kin become one kind of thing.
//! `wants` asks the host about them, `resolve` decides them.

use crate::defaults::Dir;
use crate::facts::SystemKind;
use crate::path::{HostPath, PathError, RootPath};
use crate::resolve::Problem;
use crate::spec::{Mount, Spec};

/// One thing of the host that is wanted inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// How it is written, for messages: `read = "/etc/nginx"`.
    pub(crate) said: String,
    /// On the host, as written.
    pub(crate) source: HostPath,
    /// Inside; none is the same path, with the links on the way to it.
    pub(crate) target: Option<RootPath>,
    pub(crate) write: bool,
    pub(crate) exec: bool,
    /// Left out if it is not there.
    pub(crate) optional: bool,
    /// Made if it is not there.
    pub(crate) make: Option<Make>,
}

/// How a directory of the host is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Make {
    /// Else the user that runs.
    pub(crate) owner: Option<String>,
    /// Else the owner's primary group.
    pub(crate) group: Option<String>,
    pub(crate) mode: u32,
    /// Stays after a stop.
    pub(crate) keep: bool,
}

impl Wish {
    /// Where it is meant to be inside, before any link is looked at.
    pub(crate) fn place(&self) -> RootPath {
        self.target.clone().unwrap_or_else(|| self.source.inside())
    }
}

/// All wishes in the order in which they are written, or what is wrong with each.
pub(crate) fn wishes(spec: &Spec, kind: SystemKind) -> Vec<Result<Wish, Problem>> {
    let read = spec.read.iter().map(|path| same_place("read", path, false));
    let write = spec.write.iter().map(|path| same_place("write", path, true));
    let mounts = spec.mount.iter().map(mount);
    let dirs = Dir::ALL.iter().filter_map(|dir| Some(own_dir(*dir, dir.written(spec)?, kind)));
    read.chain(write).chain(mounts).chain(dirs).collect()
}

impl Dir {
    /// The name asked for.
    fn written(self, spec: &Spec) -> Option<&str> {
        match self {
            Self::Run => spec.run_dir.as_deref(),
            Self::State => spec.state_dir.as_deref(),
            Self::Log => spec.log_dir.as_deref(),
            Self::Cache => spec.cache_dir.as_deref(),
        }
    }
}

fn same_place(key: &str, path: &str, write: bool) -> Result<Wish, Problem> {
    let said = format!("{key} = {path:?}");
    let source = HostPath::new(path).map_err(|error| bad_path(&said, &error))?;
    Ok(Wish { said, source, target: None, write, exec: !write, optional: false, make: None })
}

fn mount(mount: &Mount) -> Result<Wish, Problem> {
    let mut said = format!("[[mount]] source = {:?}", mount.source);
    if let Some(target) = &mount.target {
        said.push_str(&format!(", target = {target:?}"));
    }
    let source = HostPath::new(&mount.source).map_err(|error| bad_path(&said, &error))?;
    let target = match &mount.target {
        Some(target) => Some(RootPath::new(target).map_err(|error| bad_path(&said, &error))?),
        None => None,
    };
    if !mount.create && (mount.owner.is_some() || mount.group.is_some() || mount.mode.is_some()) {
        return Err(Problem::setup(format!("{said} has an owner, group or mode, but nothing is to be made"))
            .help("write create = true, or take them out"));
    }
    let mode = match &mount.mode {
        Some(text) => octal(text).ok_or_else(|| {
            Problem::setup(format!("{said}: mode = {text:?} is not an octal number of three or four digits"))
                .help("write mode = \"0750\"")
        })?,
        None => 0o750,
    };
    let make = mount.create.then(|| Make { owner: mount.owner.clone(), group: mount.group.clone(), mode, keep: true });
    Ok(Wish {
        // The same path written out is the same path.
        target: target.filter(|target| *target != source.inside()),
        said,
        source,
        write: mount.write,
        exec: mount.exec || !mount.write,
        optional: mount.optional,
        make,
    })
}

fn own_dir(dir: Dir, name: &str, kind: SystemKind) -> Result<Wish, Problem> {
    let said = format!("{} = {name:?}", dir.key());
    let base = dir.base(kind);
    let plain = !name.is_empty() && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !plain {
        return Err(Problem::setup(format!("{said} is not one or more plain names"))
            .help(format!("write a name such as \"nginx\"; it goes below {base}")));
    }
    let source = HostPath::new(&format!("{base}/{name}")).map_err(|error| bad_path(&said, &error))?;
    let make = Some(Make { owner: None, group: None, mode: dir.mode(), keep: dir.keep() });
    Ok(Wish { said, source, target: None, write: true, exec: false, optional: false, make })
}

/// Three or four octal digits.
pub(crate) fn octal(text: &str) -> Option<u32> {
    let digits = matches!(text.len(), 3 | 4) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    digits.then(|| u32::from_str_radix(text, 8).ok()).flatten()
}

fn bad_path(said: &str, error: &PathError) -> Problem {
    let problem = Problem::setup(format!("{said}: {error}"));
    match error {
        PathError::Relative(_) => problem.help("write it from the root on, beginning with a /"),
        PathError::DotDot(_) => problem.help("write the path without `..`: what it means depends on links"),
        _ => problem,
    }
}
