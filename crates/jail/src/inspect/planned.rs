//! The inside of a jail that is not there yet, as a tree: what is bound is read on the host, the rest is in the plan.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use thinjail_closure::tree::{DirTree, FileId, Kind, Meta, ReadAt, Tree};
use thinjail_plan::path::HostPath;
use thinjail_plan::plan::Plan;
use thinjail_plan::step::{Content, Source, Step};

/// The planned tree.
pub(super) struct PlannedTree<'p> {
    host: &'p DirTree,
    /// By path, whose bytes are compared, as each is written in one way only; each with a number that stands for its inode.
    nodes: BTreeMap<OsString, (u64, Node<'p>)>,
}

/// What a step puts at a path.
enum Node<'p> {
    /// A directory of ours.
    Dir { mode: u32, uid: u32, gid: u32 },
    /// A file of ours.
    File { bytes: &'p [u8], mode: u32, uid: u32, gid: u32 },
    /// A link of ours.
    Link { to: &'p str },
    /// Something of the host, and what is below it.
    Host { source: &'p HostPath },
}

/// What is at a path.
enum Place<'t> {
    /// A step put it there.
    Node { number: u64, node: &'t Node<'t> },
    /// It is below a directory of the host.
    Host(PathBuf),
}

impl<'p> PlannedTree<'p> {
    /// The tree that the steps of `plan` will make on `host`.
    pub(super) fn new(plan: &'p Plan, host: &'p DirTree) -> Self {
        let mut tree = Self { host, nodes: BTreeMap::new() };
        for planned in plan.placing() {
            tree.put(&planned.step);
        }
        tree
    }

    fn put(&mut self, step: &'p Step) {
        match step {
            Step::MakeHostDir { .. }
            | Step::MakeCgroup { .. }
            | Step::Allow { .. }
            // No loader opens a socket.
            | Step::LogSocket { .. }
            | Step::Confine(_) => {}
            Step::MakeDir { at, mode, uid, gid } | Step::Tmpfs { at, mode, uid, gid, .. } => {
                self.insert(at, Node::Dir { mode: *mode, uid: *uid, gid: *gid });
            }
            // What the kernel shows there is no file that a loader opens.
            Step::Proc { at, .. } => self.insert(at, Node::Dir { mode: 0o555, uid: 0, gid: 0 }),
            Step::PutFile { at, content, mode, uid, gid } => {
                let (mode, uid, gid) = (*mode, *uid, *gid);
                let node = match content {
                    Content::Text(text) => Node::File { bytes: text.as_bytes(), mode, uid, gid },
                    Content::Bytes(bytes) => Node::File { bytes, mode, uid, gid },
                    Content::Copy(source) => Node::Host { source: &source.path },
                };
                self.insert(at, node);
            }
            Step::Socket { at } => self.insert(at, Node::File { bytes: &[], mode: 0o666, uid: 0, gid: 0 }),
            Step::Symlink { at, to } => self.insert(at, Node::Link { to }),
            Step::Bind { source, at, .. } => self.insert(at, Node::Host { source: &source.path }),
            Step::Devices { at, nodes, links, .. } => self.devices(at.as_ref(), nodes, links),
        }
    }

    fn devices(&mut self, at: &Path, nodes: &'p [Source], links: &'p [(String, String)]) {
        self.insert(at, Node::Dir { mode: 0o755, uid: 0, gid: 0 });
        for source in nodes {
            if let Some(name) = source.path.name() {
                self.insert(at.join(name), Node::Host { source: &source.path });
            }
        }
        for (name, to) in links {
            self.insert(at.join(name), Node::Link { to });
        }
    }

    fn insert(&mut self, at: impl AsRef<Path>, node: Node<'p>) {
        let number = self.nodes.len() as u64;
        self.nodes.insert(at.as_ref().into(), (number, node));
    }

    /// The nearest step on the way decides: on it, or below what it binds.
    fn place(&self, path: &Path) -> io::Result<Place<'_>> {
        // By bytes and not by components, of which most of a look would be made.
        let bytes = path.as_os_str().as_bytes();
        if bytes.first() != Some(&b'/') {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut end = bytes.len();
        loop {
            let (above, rest) = bytes.split_at(end);
            let above = if above.is_empty() { b"/" } else { above };
            if let Some((number, node)) = self.nodes.get(OsStr::from_bytes(above)) {
                // All slashes: what is left has to be below, and from the root on it would be the host's.
                let rest = rest.split_at(rest.iter().take_while(|&&byte| byte == b'/').count()).1;
                return match node {
                    Node::Host { source } => Ok(Place::Host(source_path(source, Path::new(OsStr::from_bytes(rest))))),
                    _ if rest.is_empty() => Ok(Place::Node { number: *number, node }),
                    _ => Err(io::ErrorKind::NotFound.into()),
                };
            }
            match bytes[..end].iter().rposition(|&byte| byte == b'/') {
                Some(slash) if end > 0 => end = slash,
                _ => return Err(io::ErrorKind::NotFound.into()),
            }
        }
    }
}

/// `join` of nothing would leave a slash at the end, which asks for a directory.
fn source_path(source: &HostPath, rest: &Path) -> PathBuf {
    let source: &Path = source.as_ref();
    if rest.as_os_str().is_empty() { source.to_owned() } else { source.join(rest) }
}

impl Tree for PlannedTree<'_> {
    fn lstat(&self, path: &Path) -> io::Result<Meta> {
        let (number, node) = match self.place(path)? {
            Place::Host(path) => return self.host.lstat(&path),
            Place::Node { number, node } => (number, node),
        };
        let (kind, mode, uid, gid, size) = match *node {
            Node::Dir { mode, uid, gid } => (Kind::Directory, mode, uid, gid, 0),
            Node::File { bytes, mode, uid, gid } => (Kind::File, mode, uid, gid, bytes.len() as u64),
            Node::Link { to } => (Kind::Symlink, 0o777, 0, 0, to.len() as u64),
            Node::Host { source } => return self.host.lstat(source.as_ref()),
        };
        // A device number that no file system has keeps ours apart from the host's.
        Ok(Meta { id: FileId { dev: u64::MAX, ino: number }, kind, mode, uid, gid, nlink: 1, size })
    }

    fn readlink(&self, path: &Path) -> io::Result<PathBuf> {
        match self.place(path)? {
            Place::Host(path) => self.host.readlink(&path),
            Place::Node { node: Node::Link { to }, .. } => Ok(to.into()),
            Place::Node { .. } => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Rc<dyn ReadAt>> {
        match self.place(path)? {
            Place::Host(path) => self.host.open(&path),
            Place::Node { node: Node::File { bytes, .. }, .. } => Ok(Rc::new(Bytes(bytes.to_vec()))),
            Place::Node { .. } => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let below = self.nodes.keys().map(Path::new).filter(|name| name.parent() == Some(path));
        let mut names: Vec<OsString> = below.filter_map(|name| name.file_name().map(Into::into)).collect();
        if let Place::Host(path) = self.place(path)? {
            names.extend(self.host.list(&path)?);
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

/// What we put into a file.
struct Bytes(Vec<u8>);

impl ReadAt for Bytes {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let found = start.checked_add(buf.len()).and_then(|end| self.0.get(start..end));
        buf.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use thinjail_plan::facts::System;
    use thinjail_plan::path::RootPath;
    use thinjail_plan::plan::{Exec, Ids, Network, Stop, Wait};
    use thinjail_plan::step::{Access, Planned};

    use super::*;

    fn plan(steps: Vec<Step>) -> Plan {
        let ids = Ids { uid: 0, gid: 0, groups: vec![] };
        Plan {
            name: "x".into(),
            system: System::Linux { release: String::new() },
            host: vec![],
            inside: steps.into_iter().map(|step| Planned { step, why: String::new() }).collect(),
            before_start: Vec::new(),
            reload: thinjail_plan::plan::Reload::default(),
            exec: Exec {
                program: RootPath::root(),
                argv: vec![],
                env: vec![],
                env_files: vec![],
                listen: vec![],
                ids,
                capabilities: vec![],
                syscalls: thinjail_plan::plan::Syscalls::default(),
                landlock: thinjail_plan::plan::Landlock::default(),
                umask: 0,
                chdir: RootPath::root(),
                limits: vec![],
                descriptors: vec![],
                tty: false,
                network: Network::Inherit,
            },
            stop: Stop { signal: 15, timeout: Duration::ZERO, wait: Wait::Main },
            success: thinjail_plan::plan::Success::default(),
            unsupervised: false,
            service: thinjail_plan::plan::Service::default(),
            pidfile: None,
            fresh: Vec::new(),
            notes: vec![],
        }
    }

    fn at(path: &str) -> RootPath {
        RootPath::new(path).unwrap()
    }

    fn bind(source: &str, to: &str, kind: Kind) -> Step {
        let source = Source { path: HostPath::new(source).unwrap(), id: None, kind };
        Step::Bind { source, at: at(to), access: Access::default() }
    }

    #[test]
    fn below_a_bound_directory_is_the_host_but_for_what_is_put_there() {
        let text = Step::PutFile {
            at: at("/data/os-release"),
            content: Content::Text("ours".into()),
            mode: 0o444,
            uid: 0,
            gid: 0,
        };
        let plan = plan(vec![bind("/usr", "/data", Kind::Directory), text]);
        let host = DirTree::host().unwrap();
        let tree = PlannedTree::new(&plan, &host);
        let of_host = host.lstat("/usr/bin".as_ref()).unwrap();
        assert_eq!(tree.lstat("/data/bin".as_ref()).unwrap(), of_host);
        assert_eq!(tree.open("/data/os-release".as_ref()).unwrap().len(), 4);
        assert_eq!(tree.lstat("/usr/bin".as_ref()).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(tree.list("/data".as_ref()).unwrap().contains(&"bin".into()));
        // No way of writing it leads to the host's own.
        for path in ["/data//bin", "/data///bin"] {
            assert_eq!(tree.lstat(path.as_ref()).unwrap(), of_host);
        }
        for path in ["", "data/bin", "//usr/bin", "/", "/datas/bin"] {
            assert_eq!(tree.lstat(path.as_ref()).unwrap_err().kind(), io::ErrorKind::NotFound, "{path}");
        }
    }

    #[test]
    fn below_what_is_no_directory_of_the_host_is_only_what_is_put_there() {
        let dir = Step::MakeDir { at: at("/etc"), mode: 0o755, uid: 0, gid: 0 };
        let plan = plan(vec![dir, Step::Symlink { at: at("/etc/x"), to: "y".into() }]);
        let host = DirTree::host().unwrap();
        let tree = PlannedTree::new(&plan, &host);
        assert_eq!(tree.readlink("/etc/x".as_ref()).unwrap(), Path::new("y"));
        assert_eq!(tree.lstat("/etc/passwd".as_ref()).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(tree.list("/etc".as_ref()).unwrap(), ["x"]);
        let ids: Vec<_> = ["/etc", "/etc/x"].iter().map(|path| tree.lstat(path.as_ref()).unwrap().id).collect();
        assert_ne!(ids[0], ids[1]);
    }
}
