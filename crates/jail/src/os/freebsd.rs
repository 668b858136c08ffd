//! The host's steps on FreeBSD: the jail's root with all that is mounted there, since it is the host that has them.

mod devices;
mod file;
mod mount;
mod place;

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use rustix::fs::{self, Gid, Mode, RawMode, Uid};
use rustix::io::Errno;
use thinjail_closure::tree::Kind;
use thinjail_plan::path::{HostPath, RootPath};
use thinjail_plan::step::{Access, Content, Devfs, Planned, ProcView, Source, Step};
use thinjail_sys::freebsd::mount::Fsid;
use thinjail_sys::freebsd::{jail, process, rctl};

pub(crate) use self::devices::check_ruleset;
use self::mount::Point;
pub(crate) use self::place::steps as root_steps;
use super::host_dir::{self, HostDir, Wanted};
use super::{End, Os, StepError, host_file};
use crate::journal::undo::Undo;
use crate::journal::{Entry, Journal};
use crate::supervise::socket;

/// The host, and where on it the root of one jail is.
pub(crate) struct Host {
    /// The jail's root.
    root: HostPath,
    /// Open from the moment that it is mounted until it is sealed.
    inside: Option<OwnedFd>,
    /// Directories that were made for this jail: what is mounted of them are these very ones.
    made: Vec<HostDir>,
    /// File systems in memory that may not be written to once all is in place.
    seal: Vec<(HostPath, Access)>,
    /// The devfs ruleset of this jail.
    ruleset: Option<u16>,
    /// The jail's socket for syslog(3), and the host's.
    log: Option<(UnixDatagram, HostPath)>,
    /// The socket inside that the supervisor listens to.
    socket: Option<OwnedFd>,
}

/// Opens what a plan means by `source`, and nothing else that may have come to stand at its path.
pub(crate) fn open_source(source: &Source) -> Result<OwnedFd, StepError> {
    file::open(source, &[])
}

/// What was tried on which object, as an error.
pub(crate) fn failed(what: impl Into<String>, cause: impl Into<io::Error>) -> StepError {
    StepError::Step { what: what.into(), cause: cause.into() }
}

impl Host {
    /// For the jail whose root is to be there; nothing is touched.
    pub(crate) fn new(root: HostPath) -> Self {
        let (made, seal) = (Vec::new(), Vec::new());
        Self { root, inside: None, made, seal, ruleset: None, log: None, socket: None }
    }

    /// Where the jail's root is on the host.
    pub(crate) fn root(&self) -> &HostPath {
        &self.root
    }

    /// Makes read-only what was only writable for us, and lets go of every descriptor: the jail's child may have none of a
    /// directory open, and one that is left keeps a mount busy.
    pub(crate) fn seal(&mut self) -> Result<(), StepError> {
        self.let_go();
        for (at, access) in std::mem::take(&mut self.seal).into_iter().rev() {
            mount::update(&at, access, false)?;
        }
        Ok(())
    }

    /// Makes the ruleset of a devfs that shows what the plan names. It is there before its devfs, and goes after it.
    pub(crate) fn make_ruleset(&mut self, steps: &[Planned], journal: &mut Journal) -> Result<(), StepError> {
        let shown = steps.iter().find_map(|planned| match &planned.step {
            Step::Devices { devfs: Some(Devfs::Only(shown)), .. } => Some(shown),
            _ => None,
        });
        let Some(shown) = shown else { return Ok(()) };
        let jail = self.root.name().unwrap_or_default().to_owned();
        let mut last = None;
        loop {
            let free =
                devices::free_number(last).map_err(|cause| failed("find a number for a devfs ruleset", cause))?;
            let noted = journal.will(Undo::ClearRuleset { number: free, jail: jail.clone() })?;
            let made = devices::make_ruleset(free, &jail, shown);
            if made.map_err(|cause| failed(format!("make the devfs ruleset {free}"), cause))? {
                self.ruleset = Some(free);
                return Ok(());
            }
            journal.undone(noted);
            last = Some(free);
        }
    }

    /// The jail's socket for syslog(3), and where its messages go; the caller's from now on.
    pub(crate) fn take_log(&mut self) -> Option<(UnixDatagram, HostPath)> {
        self.log.take()
    }

    /// The socket inside that the supervisor listens to, if there is to be one.
    pub(crate) fn take_socket(&mut self) -> Option<OwnedFd> {
        self.socket.take()
    }

    /// Lets go of every descriptor of a directory.
    pub(crate) fn let_go(&mut self) {
        self.inside = None;
        self.made.clear();
    }

    /// A place of the jail as a path of the host.
    fn on_host(&self, at: &RootPath) -> Result<HostPath, StepError> {
        let text = if at.as_str() == "/" { self.root.to_string() } else { format!("{}{at}", self.root) };
        HostPath::new(&text).map_err(|error| failed(format!("find {at} inside"), io::Error::other(error)))
    }

    /// The jail's root, once it is mounted.
    fn inside(&self) -> Result<&OwnedFd, StepError> {
        self.inside.as_ref().ok_or_else(|| {
            failed("put something into the jail's root", io::Error::other("the plan has no step that makes a root"))
        })
    }

    /// The directory that holds a place, and the place's name in it.
    fn holder<'p>(&self, at: &'p RootPath) -> Result<(OwnedFd, &'p str), StepError> {
        let reach = |cause: Errno| failed(format!("reach {at} inside without following links"), cause);
        let (Some(parent), Some(name)) = (at.parent(), at.name()) else { return Err(reach(Errno::INVAL)) };
        Ok((place::walk(self.inside()?, parent.parts()).map_err(reach)?, name))
    }

    /// Where something is mounted: its mount point is made, where the place is in memory of ours.
    fn point(&self, at: &RootPath, kind: Kind) -> Result<Point, StepError> {
        let (parent, name) = self.holder(at)?;
        let what = || format!("make the mount point {at} inside");
        match kind {
            Kind::Directory => match fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(cause) => return Err(failed(what(), cause)),
            },
            _ => match fs::openat(&parent, name, place::NEW, Mode::empty()) {
                Ok(_) | Err(Errno::EXIST) => {}
                Err(cause) => return Err(failed(what(), cause)),
            },
        }
        Ok(Point { parent, name: name.to_owned(), at: self.on_host(at)? })
    }

    /// How a mount at a place is taken back, before its number is known.
    fn unmount(&self, at: &RootPath) -> Option<Undo> {
        Some(Undo::Unmount { at: self.on_host(at).ok()?, fsid: None })
    }

    fn make_root(&mut self, size: u64, mode: u32, uid: u32, gid: u32, access: Access) -> Result<Fsid, StepError> {
        let fsid = mount::root(&self.root, size, mode, uid, gid)?;
        self.inside = Some(place::directory(&self.root).map_err(|cause| failed(format!("open {}", self.root), cause))?);
        self.seal.push((self.root.clone(), access));
        Ok(fsid)
    }

    /// Copies files anew: each is written beside the one before, and takes its name. The root is writable meanwhile; whoever has
    /// opened something in it by then to write loses that with it.
    pub(crate) fn refresh(&self, steps: &[&Step], access: Access) -> Result<Vec<Result<bool, StepError>>, StepError> {
        let root = place::directory(&self.root).map_err(|cause| failed(format!("open {}", self.root), cause))?;
        let mut writable = false;
        let mut done = Vec::new();
        for step in steps {
            let one = (|| {
                let Step::PutFile { at, content: content @ Content::Copy(source), mode, uid, gid } = step else {
                    return Err(failed("refresh", io::Error::other("it is a mount: restart the jail")));
                };
                let what = || format!("put {at} inside");
                let (Some(parent), Some(name)) = (at.parent(), at.name()) else { return Ok(false) };
                let parent = place::walk(&root, parent.parts()).map_err(|cause| failed(what(), cause))?;
                let owned = (mode_of(*mode), *uid, *gid);
                if file::is_same(&parent, name, file::open(source, &[])?, owned)
                    .map_err(|cause| failed(what(), cause))?
                {
                    return Ok(false);
                }
                if !writable {
                    mount::update(&self.root, Access { write: true, ..access }, false)?;
                    writable = true;
                }
                let put = file::replace(&parent, name, content, file::open(source, &[])?, mode_of(*mode), (*uid, *gid));
                put.map(|()| true).map_err(|cause| failed(what(), cause))
            })();
            done.push(one);
        }
        drop(root);
        if writable {
            mount::update(&self.root, access, true)?;
        }
        Ok(done)
    }

    fn make_dir(&self, at: &RootPath, mode: u32, uid: u32, gid: u32) -> Result<(), StepError> {
        let (parent, name) = self.holder(at)?;
        let what = || format!("make the directory {at} inside");
        let make = || -> Result<(), Errno> {
            match fs::mkdirat(&parent, name, Mode::RWXU) {
                // A mount below it came first, or it is one of the host's.
                Err(Errno::EXIST) => return Ok(()),
                other => other?,
            }
            let dir = fs::openat(&parent, name, place::DIRECTORY, Mode::empty())?;
            fs::fchown(&dir, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
            fs::fchmod(&dir, mode_of(mode))
        };
        make().map_err(|cause| failed(what(), cause))
    }

    /// syslogd(8) takes datagrams, and so does this. Its directory is the working directory meanwhile: no path is long then.
    fn log_socket(&self, at: &RootPath) -> Result<UnixDatagram, StepError> {
        let (parent, name) = self.holder(at)?;
        let make = || -> io::Result<UnixDatagram> {
            rustix::process::fchdir(&parent)?;
            let socket = UnixDatagram::bind(name);
            rustix::process::chdir("/")?;
            let socket = socket?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        make().map_err(|cause| failed(format!("make the socket {at} inside"), cause))
    }

    fn bind(&self, source: &Source, at: &RootPath, access: Access) -> Result<Fsid, StepError> {
        let opened = file::open(source, &self.made)?;
        let point = self.point(at, source.kind)?;
        mount::nullfs(&source.path, &opened, &point, access)
    }
}

/// As fchmod(2) takes it.
fn mode_of(mode: u32) -> Mode {
    Mode::from_raw_mode(RawMode::try_from(mode & 0o7777).unwrap_or(0))
}

fn wanted(step: &Step) -> Option<Wanted<'_>> {
    match step {
        Step::MakeHostDir { path, mode, uid, gid, keep } => {
            Some(Wanted { path, mode: *mode, uid: *uid, gid: *gid, keep: *keep })
        }
        _ => None,
    }
}

impl Os for Host {
    type Done = ();

    fn foresee(&self, step: &Step) -> Option<Undo> {
        match step {
            Step::MakeHostDir { .. } => wanted(step).map(|wanted| wanted.undo(None)),
            Step::Bind { at, .. } | Step::Tmpfs { at, .. } | Step::Devices { at, .. } | Step::Proc { at, .. } => {
                self.unmount(at)
            }
            Step::MakeDir { .. }
            | Step::PutFile { .. }
            | Step::Socket { .. }
            | Step::Symlink { .. }
            | Step::MakeCgroup { .. }
            | Step::Allow { .. }
            | Step::LogSocket { .. }
            | Step::Confine(_) => None,
        }
    }

    fn apply(&mut self, step: &Step) -> Result<((), Option<Undo>), StepError> {
        let (at, fsid) = match step {
            Step::MakeHostDir { .. } => {
                let Some(wanted) = wanted(step) else { return Ok(((), None)) };
                let (dir, undo) = host_dir::make(wanted)?;
                self.made.push(dir);
                return Ok(((), undo));
            }
            Step::MakeDir { at, mode, uid, gid } => {
                return self.make_dir(at, *mode, *uid, *gid).map(|()| ((), None));
            }
            Step::PutFile { at, content, mode, uid, gid } => {
                let (parent, name) = self.holder(at)?;
                let copied = match content {
                    Content::Copy(source) => Some(file::open(source, &self.made)?),
                    Content::Text(_) | Content::Bytes(_) => None,
                };
                let put = file::put(&parent, name, content, copied, mode_of(*mode), (*uid, *gid));
                return put.map(|()| ((), None)).map_err(|cause| failed(format!("put {at} inside"), cause));
            }
            Step::Socket { at } => {
                let (parent, name) = self.holder(at)?;
                let made = socket::listen(&parent, name);
                self.socket = Some(made.map_err(|cause| failed(format!("make the socket {at} inside"), cause))?);
                return Ok(((), None));
            }
            Step::Symlink { at, to } => {
                let (parent, name) = self.holder(at)?;
                let link = fs::symlinkat(to.as_str(), &parent, name);
                return link.map(|()| ((), None)).map_err(|cause| failed(format!("make the link {at} inside"), cause));
            }
            Step::Tmpfs { at, size, mode, uid, gid, access } if at.as_str() == "/" => {
                (at, self.make_root(*size, *mode, *uid, *gid, *access)?)
            }
            Step::Tmpfs { at, size, mode, uid, gid, access } => {
                let point = self.point(at, Kind::Directory)?;
                let fsid = mount::tmpfs(&point, *size, *mode, *uid, *gid, *access)?;
                if !access.write {
                    self.seal.push((point.at, *access));
                }
                (at, fsid)
            }
            Step::Bind { source, at, access } => (at, self.bind(source, at, *access)?),
            Step::Devices { at, devfs, .. } => {
                let ruleset = match devfs {
                    Some(Devfs::Ruleset(number)) => Some(*number),
                    Some(Devfs::Only(_)) => self.ruleset,
                    None => None,
                };
                (at, devices::mount(&self.point(at, Kind::Directory)?, ruleset)?)
            }
            Step::Proc { at, view } => {
                let kind = match view {
                    ProcView::Descriptors => c"fdescfs",
                    ProcView::Pid | ProcView::Full => c"procfs",
                };
                (at, mount::kernel(&self.point(at, Kind::Directory)?, kind)?)
            }
            Step::LogSocket { at, to } => {
                self.log = Some((self.log_socket(at)?, to.clone()));
                return Ok(((), None));
            }
            Step::MakeCgroup { .. } | Step::Allow { .. } | Step::Confine(_) => {
                return Err(StepError::NotHere { system: "FreeBSD" });
            }
        };
        Ok(((), Some(Undo::Unmount { at: self.on_host(at)?, fsid: Some(fsid.0) })))
    }

    fn undo(&mut self, entry: &Entry, end: End, force: bool) -> Result<(), StepError> {
        match &entry.undo {
            Undo::RemoveDir { path, mode, uid, gid, keep, id } => {
                let wanted = Wanted { path, mode: *mode, uid: *uid, gid: *gid, keep: *keep };
                host_dir::remove(wanted, *id, entry, end)
            }
            Undo::RemoveFile { path, id } => host_file::remove(path, *id, entry),
            Undo::RemoveSocket { path, id } => host_file::remove_socket(path, *id, entry),
            Undo::Unmount { at, fsid: Some(fsid) } => mount::undo(at, Fsid(*fsid), force),
            // What is mounted there is found by its place.
            Undo::Unmount { fsid: None, .. } => Ok(()),
            Undo::RemoveJail { name, jid } => remove_jail(name, *jid, &self.root),
            Undo::RemoveLimits { jail } => match rctl::remove_rule(&format!("jail:{jail}")) {
                // ESRCH: there is none; ENOSYS: there can't be any.
                Err(error) if !matches!(Errno::from_io_error(&error), Some(Errno::SRCH | Errno::NOSYS)) => {
                    Err(failed(format!("remove the limits of the jail {jail}"), error))
                }
                _ => Ok(()),
            },
            Undo::RemoveCgroup { .. } => Err(StepError::NotHere { system: "FreeBSD" }),
            Undo::ClearRuleset { number, jail } => {
                let dev = format!("{}/dev", self.root);
                let is_dev = |undo: &Undo| matches!(undo, Undo::Unmount { at, .. } if at.as_str() == dev);
                devices::clear_ruleset(*number, jail, mount::below(&self.root)?.iter().any(is_dev))
            }
        }
    }

    fn strays(&mut self) -> Result<Vec<Undo>, StepError> {
        mount::below(&self.root)
    }
}

/// Kills a jail that is ours: of that name, and with the root that we gave it.
fn remove_jail(name: &str, jid: Option<i32>, root: &HostPath) -> Result<(), StepError> {
    let what = || format!("remove the jail {name}");
    let asked = std::ffi::CString::new(name).map_err(|cause| failed(what(), io::Error::from(cause)))?;
    let found = jail::jail_get(jail::By::Name(&asked)).map_err(|refused| failed(what(), refused))?;
    let Some(found) = found.filter(|found| found.path == root.as_str()) else { return Ok(()) };
    if found.dying {
        // By what drains, or by a zombie of a supervisor that was killed, which is init(8)'s now, and init(8) was not told.
        let _ = process::wake_reaper();
        return Ok(());
    }
    if jid.is_some_and(|jid| jail::Jid(jid) != found.jid) {
        return Ok(());
    }
    match jail::jail_remove(found.jid) {
        // It has just ended by itself.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => Ok(()),
        other => other.map_err(|cause| failed(what(), cause)),
    }
}
