//! The jail's tree, built as a detached mount: no directory and no mountpoint on the host, nothing to clean up even after
//! SIGKILL. It becomes visible only to the child that takes it as its root.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string,
    fsmount, fsopen, move_mount, open_tree,
};
use thinjail_closure::tree::Kind;
use thinjail_plan::path::RootPath;
use thinjail_plan::step::{Access, Content, Planned, ProcView, Source, Step};
use thinjail_sys::linux::mount::mount_setattr;

use super::borrow::{Borrowed, Lent};
use super::devices;
use super::source::{self, setting};
use crate::look::give_way;
use crate::os::linux::HostDir;
use crate::run::RunError;
use crate::supervise::socket;

/// A tree, ready to become a root.
#[derive(Debug)]
pub(super) struct Tree {
    /// The root, detached.
    pub(super) root: OwnedFd,
    /// What the child attaches once the root is attached, in order.
    pub(super) late: Vec<Late>,
    /// The socket inside that we listen to.
    pub(super) socket: Option<OwnedFd>,
}

/// A mount that waits for the root to be attached.
#[derive(Debug)]
pub(super) struct Late {
    /// What is mounted.
    pub(super) what: LateMount,
    /// Where, below the root's descriptor; opened without following links.
    pub(super) at: CString,
    /// The same for a message.
    pub(super) shown: RootPath,
}

/// What waits.
#[derive(Debug)]
pub(super) enum LateMount {
    /// Before Linux 6.15 a detached tree takes no mounts.
    Mount(OwnedFd),
    /// proc(5) shows the pid namespace of the process that makes it.
    Proc,
}

/// Masked under a full /proc: what tells of the host, its keys and its addresses in memory. Docker's list without /sys.
const MASKED: [&str; 13] = [
    "acpi",
    "asound",
    "interrupts",
    "kcore",
    "keys",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "vmallocinfo",
];

/// What to open to mount upon it: never through a link, never out of the tree.
pub(super) const WITHIN: ResolveFlags =
    ResolveFlags::NO_SYMLINKS.union(ResolveFlags::NO_MAGICLINKS).union(ResolveFlags::BENEATH);

pub(super) const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Why a thing can't be made inside; where the kernel lacks what is needed for any of them, that is what helps.
fn not_made(what: String, cause: io::Error) -> RunError {
    let old = Errno::from_io_error(&cause).filter(|errno| *errno == Errno::NOSYS);
    RunError::setup(what, cause).help(old.and_then(setting))
}

/// The last name of a place; a place that is made is never the root.
fn name(at: &RootPath) -> &str {
    at.name().unwrap_or_default()
}

struct Builder<'a> {
    root: OwnedFd,
    /// Mounts that later steps may go below, outermost first.
    mounts: Vec<(RootPath, OwnedFd, Owner)>,
    late: Vec<Late>,
    socket: Option<OwnedFd>,
    /// Whether this kernel attaches mounts to a detached tree; found out by the first one.
    attaches: Option<bool>,
    made: &'a [HostDir],
    /// Where mounts of a running jail come from.
    borrowed: Option<&'a Borrowed<'a>>,
    /// /dev, once everything in it is made and it is read-only.
    ready: Option<RootPath>,
    /// The directory that was last made something in. Steps come sorted by path, so the next one often goes there too.
    last: Option<(RootPath, OwnedFd)>,
}

/// Whose the files of a mount are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// Made by us: mountpoints are made in it as needed.
    Us,
    /// The host's: mountpoints must be there.
    Host,
    /// A running jail's, with all that is mounted below it.
    Jail,
}

/// Does every step that is done inside. What a running jail has already is borrowed from it.
pub(super) fn build(steps: &[Planned], made: &[HostDir], borrowed: Option<&Borrowed<'_>>) -> Result<Tree, RunError> {
    let steps = steps.iter().map(|planned| &planned.step);
    let steps: Vec<&Step> = steps.filter(|step| !matches!(step, Step::Confine(_))).collect();
    let Some((Step::Tmpfs { at, size, mode, uid, gid, access }, mut steps)) = steps.split_first() else {
        return Err(malformed("it does not begin with the root"));
    };
    if at.as_str() != "/" {
        return Err(malformed("it does not begin with the root"));
    }
    // Nodes work on it as long as nobody can see it, so that /dev can be another mount of the same file system.
    let root = tmpfs(at, *size, *mode, (*uid, *gid), Access { write: true, dev: true, ..*access })?;
    let mut builder = Builder {
        root,
        mounts: Vec::new(),
        late: Vec::new(),
        socket: None,
        attaches: None,
        made,
        borrowed,
        ready: None,
        last: None,
    };
    while let Some((step, rest)) = steps.split_first() {
        builder.step(step, rest)?;
        steps = rest;
        if matches!(step, Step::Bind { .. } | Step::Devices { .. } | Step::Tmpfs { .. }) {
            give_way();
        }
    }
    mount_setattr(&builder.root, c"", false, source::attributes(*access)).map_err(|cause| not_read_only(at, cause))?;
    let Builder { root, late, socket, .. } = builder;
    Ok(Tree { root, late, socket })
}

pub(super) fn malformed(why: &str) -> RunError {
    RunError::setup("carry out the plan".into(), io::Error::other(format!("{why}; this is a bug in thinjail")))
}

fn not_read_only(at: &RootPath, cause: io::Error) -> RunError {
    let help = Errno::from_io_error(&cause).and_then(setting);
    RunError::setup(format!("make {at} inside read-only"), cause).help(help)
}

/// A new tmpfs(5), detached.
pub(super) fn tmpfs(
    at: &RootPath,
    size: u64,
    mode: u32,
    owner: (u32, u32),
    access: Access,
) -> Result<OwnedFd, RunError> {
    let make = || -> Result<OwnedFd, Errno> {
        let fs = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(fs.as_fd(), c"size", size.to_string())?;
        fsconfig_set_string(fs.as_fd(), c"mode", format!("{mode:o}"))?;
        if owner != (0, 0) {
            fsconfig_set_string(fs.as_fd(), c"uid", owner.0.to_string())?;
            fsconfig_set_string(fs.as_fd(), c"gid", owner.1.to_string())?;
        }
        fsconfig_create(fs.as_fd())?;
        let mut attr = MountAttrFlags::MOUNT_ATTR_NOSUID;
        if !access.dev {
            attr |= MountAttrFlags::MOUNT_ATTR_NODEV;
        }
        if !access.exec {
            attr |= MountAttrFlags::MOUNT_ATTR_NOEXEC;
        }
        if !access.write {
            attr |= MountAttrFlags::MOUNT_ATTR_RDONLY;
        }
        fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attr)
    };
    make().map_err(|cause| RunError::setup(format!("make a tmpfs for {at}"), cause.into()).help(setting(cause)))
}

/// Whether a step is about a place below `dir`.
fn lies_below(step: &Step, dir: &RootPath) -> bool {
    step.at().and_then(|at| at.below(dir)).is_some_and(|below| !below.is_empty())
}

impl Builder<'_> {
    /// Does one step; `rest` are those to come.
    fn step(&mut self, step: &Step, rest: &[&Step]) -> Result<(), RunError> {
        if let Some(borrowed) = self.borrowed
            && let Some(at) = step.at()
            && let Some(lent) = borrowed.mount(at, step)?
        {
            return match lent {
                // What is mounted below it has come along.
                _ if self.is_borrowed(at) => Ok(()),
                Lent::Mount(mount, kind) => self.attach(mount, at, kind, Owner::Jail),
                Lent::Nameless(Some(bytes)) => self.put_file(at, &Content::Bytes(bytes), 0o444, (0, 0)),
                Lent::Nameless(None) => Ok(()),
            };
        }
        if step.at().is_some_and(|at| self.is_borrowed(at)) && !matches!(step, Step::Bind { .. }) {
            return Ok(());
        }
        match step {
            Step::MakeDir { at, .. } | Step::PutFile { at, .. } | Step::Symlink { at, .. } if self.is_ready(at) => {
                Ok(())
            }
            Step::MakeDir { at, mode, uid, gid } => self.make_dir(at, *mode, (*uid, *gid)),
            Step::PutFile { at, content, mode, uid, gid } => self.put_file(at, content, *mode, (*uid, *gid)),
            Step::Symlink { at, to } => {
                let made = self.holder(at).and_then(|dir| Ok(fs::symlinkat(to.as_str(), dir, name(at))?));
                made.map_err(|cause| not_made(format!("make the link {at} inside"), cause))
            }
            Step::Socket { at } => {
                let made = self.holder(at).and_then(|dir| socket::listen(dir, name(at)));
                let failed = |cause| not_made(format!("make the socket {at} inside"), cause);
                self.socket = Some(made.map_err(failed)?);
                Ok(())
            }
            Step::Bind { source, at, access } => {
                let mount = source::clone(source, *access, self.made)?;
                self.attach(mount, at, source.kind, Owner::Host)
            }
            Step::Tmpfs { at, size, mode, uid, gid, access } => {
                let mount = tmpfs(at, *size, *mode, (*uid, *gid), *access)?;
                self.attach(mount, at, Kind::Directory, Owner::Us)
            }
            Step::Devices { at, nodes, links, .. } => {
                let below: Vec<_> = rest.iter().copied().filter(|step| lies_below(step, at)).collect();
                self.devices(at, nodes, links, &below)
            }
            Step::Proc { at, view } => self.proc(at, *view),
            Step::MakeHostDir { .. } | Step::MakeCgroup { .. } | Step::Allow { .. } | Step::Confine(_) => {
                Err(malformed("a step of the host is among those inside"))
            }
            Step::LogSocket { .. } => Err(malformed("a step of FreeBSD's is among those inside")),
        }
    }

    /// The directory that is to hold `at`, which has to be in memory of ours. It is never reached through a link: an absolute
    /// one leads to the host as long as the tree is detached, and one in a directory of the host to wherever its owner wants.
    fn holder(&mut self, at: &RootPath) -> io::Result<BorrowedFd<'_>> {
        let parent = at.parent().unwrap_or_else(RootPath::root);
        let known = self.last.as_ref().is_some_and(|(last, _)| *last == parent);
        let (base, below, owner) = self.enclosing(at);
        if owner != Owner::Us {
            return Err(io::Error::other("it lies in a directory of the host, where nothing is made"));
        }
        let Some((way, _)) = below.rsplit_once('/') else {
            return Ok(self.enclosing(at).0);
        };
        if !known {
            let look = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let dir = fs::openat2(base, way, look, Mode::empty(), WITHIN)?;
            self.last = Some((parent, dir));
        }
        match &self.last {
            Some((_, dir)) => Ok(dir.as_fd()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The mount that `at` lies on, the path below it, and whose it is.
    fn enclosing<'p>(&self, at: &'p RootPath) -> (BorrowedFd<'_>, &'p str, Owner) {
        let inner = self.mounts.iter().rev().find_map(|(dir, fd, owner)| match at.below(dir) {
            Some("") | None => None,
            Some(below) => Some((fd.as_fd(), below, *owner)),
        });
        inner.unwrap_or_else(|| (self.root.as_fd(), &at.as_str()[1..], Owner::Us))
    }

    fn make_dir(&mut self, at: &RootPath, mode: u32, owner: (u32, u32)) -> Result<(), RunError> {
        let mut make = || -> io::Result<()> {
            let dir = self.holder(at)?;
            match fs::mkdirat(dir, name(at), Mode::from_bits_truncate(mode)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(cause) => return Err(cause.into()),
            }
            if owner != (0, 0) {
                let (uid, gid) = (fs::Uid::from_raw(owner.0), fs::Gid::from_raw(owner.1));
                fs::chownat(dir, name(at), Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            Ok(())
        };
        make().map_err(|cause| not_made(format!("make the directory {at} inside"), cause))
    }

    fn put_file(&mut self, at: &RootPath, content: &Content, mode: u32, owner: (u32, u32)) -> Result<(), RunError> {
        let failed = |cause: io::Error| not_made(format!("write {at} inside"), cause);
        let copied;
        let bytes = match content {
            Content::Text(text) => text.as_bytes(),
            Content::Bytes(bytes) => bytes,
            Content::Copy(source) => {
                copied = source::read(source, self.made)?;
                &copied
            }
        };
        let dir = self.holder(at).map_err(failed)?;
        let fd = fs::openat(dir, name(at), NEW_FILE, Mode::from_bits_truncate(mode)).map_err(|e| failed(e.into()))?;
        if owner != (0, 0) {
            let (uid, gid) = (fs::Uid::from_raw(owner.0), fs::Gid::from_raw(owner.1));
            fs::fchown(&fd, Some(uid), Some(gid)).map_err(|e| failed(e.into()))?;
        }
        io::Write::write_all(&mut std::fs::File::from(fd), bytes).map_err(failed)
    }

    fn devices(
        &mut self,
        at: &RootPath,
        nodes: &[Source],
        links: &[(String, String)],
        below: &[&Step],
    ) -> Result<(), RunError> {
        let again = self.root_again(at)?;
        if let Some(mount) = devices::nodes(at, nodes, again)? {
            return self.own_devices(at, mount, links, below);
        }
        self.make_dir(at, 0o755, (0, 0))?;
        for node in nodes {
            let place = at.join(node.path.name().unwrap_or_default());
            let place = place.map_err(|error| malformed(&error.to_string()))?;
            let mount = source::clone(node, devices::LOCKED, self.made)?;
            self.attach(mount, &place, node.kind, Owner::Host)?;
        }
        self.links(at, links)
    }

    /// A directory of the root's as a mount of its own: one file system less to be made and to be taken away. None where it lies
    /// on another mount, and before Linux 6.15, which clones nothing of a detached tree.
    fn root_again(&mut self, at: &RootPath) -> Result<Option<OwnedFd>, RunError> {
        if self.borrowed.is_some() || self.mounts.iter().any(|(dir, ..)| at.below(dir).is_some()) {
            return Ok(None);
        }
        self.make_dir(at, 0o755, (0, 0))?;
        let clone =
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
        // Whatever it is that refuses this, a tmpfs of its own does as well.
        Ok(self.holder(at).ok().and_then(|dir| open_tree(dir, name(at), clone).ok()))
    }

    /// With nodes of its own: everything that lies below is made now, since a mount can be made read-only only as long as it
    /// is not attached to another.
    fn own_devices(
        &mut self,
        at: &RootPath,
        mount: OwnedFd,
        links: &[(String, String)],
        below: &[&Step],
    ) -> Result<(), RunError> {
        let failed = |cause| not_read_only(at, cause);
        let again = rustix::io::fcntl_dupfd_cloexec(&mount, 0).map_err(|cause| failed(cause.into()))?;
        self.mounts.push((at.clone(), again, Owner::Us));
        self.links(at, links)?;
        for step in below {
            match step {
                Step::Bind { at, source, .. } => drop(self.mountpoint(at, source.kind)?),
                Step::Tmpfs { at, .. } => drop(self.mountpoint(at, Kind::Directory)?),
                other => self.step(other, &[])?,
            }
        }
        self.mounts.pop();
        mount_setattr(&mount, c"", false, devices::locked()).map_err(failed)?;
        self.attach(mount, at, Kind::Directory, Owner::Us)?;
        self.ready = Some(at.clone());
        Ok(())
    }

    fn links(&mut self, at: &RootPath, links: &[(String, String)]) -> Result<(), RunError> {
        for (name, to) in links {
            let place = at.join(name).map_err(|error| malformed(&error.to_string()))?;
            self.step(&Step::Symlink { at: place, to: to.clone() }, &[])?;
        }
        Ok(())
    }

    /// Whether a place lies in what a running jail has.
    fn is_borrowed(&self, at: &RootPath) -> bool {
        self.enclosing(at).2 == Owner::Jail
    }

    /// Whether all that is made below, as opposed to mounted, is made already.
    fn is_ready(&self, at: &RootPath) -> bool {
        self.ready.as_ref().is_some_and(|ready| at.below(ready).is_some_and(|below| !below.is_empty()))
    }

    fn proc(&mut self, at: &RootPath, view: ProcView) -> Result<(), RunError> {
        self.make_dir(at, 0o755, (0, 0))?;
        self.wait_for_root(LateMount::Proc, at)?;
        if view == ProcView::Pid {
            return Ok(());
        }
        for name in MASKED {
            let Ok(stat) = fs::statat(fs::CWD, format!("/proc/{name}"), AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let place = at.join(name).map_err(|error| malformed(&error.to_string()))?;
            let none = Access::default();
            let mask = if fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
                tmpfs(&place, 4096, 0o555, (0, 0), none)?
            } else {
                source::mask()?
            };
            self.wait_for_root(LateMount::Mount(mask), &place)?;
        }
        Ok(())
    }

    fn wait_for_root(&mut self, what: LateMount, at: &RootPath) -> Result<(), RunError> {
        let below = CString::new(&at.as_str()[1..]).map_err(|_| malformed("a path has a NUL byte"))?;
        self.late.push(Late { what, at: below, shown: at.clone() });
        Ok(())
    }

    /// Puts a detached mount at its place: now if the kernel can, else once the root is attached.
    fn attach(&mut self, mount: OwnedFd, at: &RootPath, kind: Kind, owner: Owner) -> Result<(), RunError> {
        let mut attaches = self.attaches;
        let point = self.mountpoint(at, kind)?;
        if attaches != Some(false) {
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
            match move_mount(&mount, c"", &point, c"", flags) {
                Ok(()) => attaches = Some(true),
                Err(Errno::INVAL) if attaches.is_none() => attaches = Some(false),
                Err(cause) => {
                    let error = RunError::setup(format!("mount on {at} inside"), cause.into());
                    return Err(error.help(setting(cause)));
                }
            }
        }
        drop(point);
        self.attaches = attaches;
        if attaches == Some(false) {
            let keep = rustix::io::fcntl_dupfd_cloexec(&mount, 0)
                .map_err(|cause| RunError::setup(format!("mount on {at} inside"), cause.into()))?;
            self.wait_for_root(LateMount::Mount(keep), at)?;
        }
        if kind == Kind::Directory {
            // What was known of the way below it leads underneath the mount.
            self.last = None;
            self.mounts.push((at.clone(), mount, owner));
        }
        Ok(())
    }

    /// Opens what will be covered, making it if it lies in a directory of ours.
    fn mountpoint(&mut self, at: &RootPath, kind: Kind) -> Result<OwnedFd, RunError> {
        let owner = self.enclosing(at).2;
        let mut look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if kind == Kind::Directory {
            look |= OFlags::DIRECTORY;
        }
        let mut open = || -> io::Result<OwnedFd> {
            if owner != Owner::Us || self.is_ready(at) {
                let (base, below, _) = self.enclosing(at);
                let point = fs::openat2(base, below, look, Mode::empty(), WITHIN)?;
                self.borrowed.map_or(Ok(()), |borrowed| borrowed.check(at, &point))?;
                return Ok(point);
            }
            let dir = self.holder(at)?;
            if kind != Kind::Directory {
                return Ok(fs::openat(dir, name(at), NEW_FILE, Mode::from_bits_truncate(0o444))?);
            }
            match fs::mkdirat(dir, name(at), Mode::from_bits_truncate(0o755)) {
                Ok(()) | Err(Errno::EXIST) => Ok(fs::openat(dir, name(at), look, Mode::empty())?),
                Err(cause) => Err(cause.into()),
            }
        };
        open().map_err(|cause| {
            let help = match (owner, Errno::from_io_error(&cause)) {
                (Owner::Host, Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => {
                    Some(format!("it lies in a directory of the host, so it has to be there: make {at} on the host"))
                }
                _ => None,
            };
            let error = not_made(format!("make the mountpoint {at} inside"), cause);
            if help.is_some() { error.help(help) } else { error }
        })
    }
}
