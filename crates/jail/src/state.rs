//! The state directory: a journal for each jail that has put something on the host, locked for as long as its supervisor lives.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::fs::{self, AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use thinjail_plan::path::HostPath;
use thinjail_plan::plan::Plan;

use crate::journal::Paper;
use crate::journal::read::{Damage, Read, read};
use crate::look;
use crate::run::RunError;

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "freebsd")]
pub(crate) use freebsd::{GUARDED, ONE_OF_A_NAME, PATH, SYSLOG, abstract_address, host, signal, started};
#[cfg(target_os = "linux")]
pub(crate) use linux::{GUARDED, ONE_OF_A_NAME, PATH, SYSLOG, abstract_address, host, signal, started};

/// How the file of a journal ends.
const END: &str = ".journal";
/// How the file ends that has the plan of the same jail.
const PLAN: &str = ".plan";
/// Bytes of a plan. One with ten thousand mounts has less.
const PLAN_MAX: u64 = 16 << 20;
/// What follows the name of one that is about to take its place.
const NEW: &str = "~";
/// Bytes of a journal. One of a jail with a thousand mounts has less.
const SIZE_MAX: u64 = 1 << 20;
/// How often a file that others make or remove at the same moment is tried for.
const TRIES: u32 = 100;

const OPEN: OFlags =
    OFlags::RDWR.union(OFlags::APPEND).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// The directory, opened, and known to be nobody else's to write to.
#[derive(Debug)]
pub(crate) struct State {
    directory: Rc<OwnedFd>,
    path: HostPath,
}

/// What there is of a journal.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It is not there.
    Missing,
    /// Another process holds it; this is what it says.
    Held(Vec<u8>),
    /// It is ours now, whatever is in it.
    Ours(Sheet),
}

/// A journal's file, with its lock.
#[derive(Debug)]
pub(crate) struct Sheet {
    directory: Rc<OwnedFd>,
    name: String,
    path: String,
    file: File,
}

impl State {
    /// Opens it; none where it was never made.
    pub(crate) fn find() -> Result<Option<Self>, RunError> {
        if !rustix::process::geteuid().is_root() {
            return Err(RunError::setup(format!("look into {PATH}"), io::ErrorKind::PermissionDenied.into())
                .help("run it as root".to_owned()));
        }
        Self::at(PATH)
    }

    /// The same for another place.
    pub(crate) fn at(path: &str) -> Result<Option<Self>, RunError> {
        let bad = |cause: io::Error| RunError::setup(format!("open the state directory {path}"), cause);
        let at = HostPath::new(path).map_err(|error| bad(io::Error::other(error)))?;
        let directory = match look::directory(&at, OFlags::RDONLY) {
            Err(Errno::NOENT) => return Ok(None),
            opened => opened.map_err(|cause| bad(cause.into()))?,
        };
        let stat = fs::fstat(&directory).map_err(|cause| bad(cause.into()))?;
        if !is_ours_alone(&stat) {
            let cause = io::Error::other("others than root can write there");
            return Err(bad(cause).help(format!("see who made it, then remove {path}")));
        }
        // Whoever can open it can lock it, and keep every start waiting; flock(2). An older thinjail made it for all to read.
        if stat.st_mode & 0o077 != 0 {
            fs::fchmod(&directory, Mode::RWXU).map_err(|cause| bad(cause.into()))?;
        }
        Ok(Some(Self { directory: Rc::new(directory), path: at }))
    }

    /// Opens it, and makes it where it is not there.
    pub(crate) fn make() -> Result<Self, RunError> {
        Self::make_at(PATH)
    }

    /// The same for another place.
    pub(crate) fn make_at(path: &str) -> Result<Self, RunError> {
        if let Some(state) = Self::at(path)? {
            return Ok(state);
        }
        let failed = |cause: io::Error| RunError::setup(format!("make the state directory {path}"), cause);
        match fs::mkdir(path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(cause) => return Err(failed(cause.into())),
        }
        Self::at(path)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
    }

    /// The keys of all journals, sorted.
    pub(crate) fn keys(&self) -> Result<Vec<String>, RunError> {
        let failed = |cause: Errno| RunError::setup(format!("read the state directory {}", self.path), cause.into());
        let mut keys = Vec::new();
        for entry in fs::Dir::read_from(&*self.directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let key = entry.file_name().to_str().ok().and_then(|name| name.strip_suffix(END));
            keys.extend(key.filter(|key| !key.is_empty()).map(String::from));
        }
        keys.sort();
        Ok(keys)
    }

    /// What a journal says, and whether its supervisor holds it; none where there is no such journal.
    pub(crate) fn peek(&self, key: &str) -> Result<Option<(Vec<u8>, bool)>, RunError> {
        let path = format!("{}/{key}{END}", self.path);
        let failed = |cause: io::Error| RunError::setup(format!("read the journal {path}"), cause);
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let name = format!("{key}{END}");
        for _ in 0..TRIES {
            let file = match fs::openat(&*self.directory, &name, how, Mode::empty()) {
                Err(Errno::NOENT) => return Ok(None),
                opened => File::from(opened.map_err(|cause| failed(cause.into()))?),
            };
            // Shared, and for a moment: whoever else looks is not in the way.
            let held = match fs::flock(&file, FlockOperation::NonBlockingLockShared) {
                Ok(()) => false,
                Err(Errno::WOULDBLOCK) => true,
                Err(cause) => return Err(failed(cause.into())),
            };
            // Its supervisor may have put another one in its place and let go of this one.
            if held || look::stands_at(&*self.directory, &name, &file).map_err(failed)? {
                return text(&file, SIZE_MAX).map(|text| Some((text, held))).map_err(failed);
            }
        }
        Err(failed(io::Error::other("it is replaced all the time")))
    }

    /// Keeps the plan of a jail whose journal is ours: what it was made of, whatever becomes of its profile. It may hold what
    /// only root may know, an env-file's lines.
    pub(crate) fn put_plan(&self, key: &str, plan: &Plan) -> Result<(), RunError> {
        let _locked = self.lock()?;
        self.write_plan(key, plan)
    }

    /// Keeps another plan of a jail that runs, in place of one; not where it has yet another by now. Whether it was kept.
    pub(crate) fn replace_plan(&self, key: &str, before: &Plan, plan: &Plan) -> Result<bool, RunError> {
        let _locked = self.lock()?;
        if self.plan(key)? != *before {
            return Ok(false);
        }
        self.write_plan(key, plan).map(|()| true)
    }

    /// For as long as it takes to write a plan.
    fn lock(&self) -> Result<OwnedFd, RunError> {
        let failed = |cause: Errno| RunError::setup(format!("lock {}", self.path), cause.into());
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let own = fs::openat(&*self.directory, ".", how, Mode::empty()).map_err(failed)?;
        fs::flock(&own, FlockOperation::LockExclusive).map_err(failed)?;
        Ok(own)
    }

    fn write_plan(&self, key: &str, plan: &Plan) -> Result<(), RunError> {
        let name = format!("{key}{PLAN}");
        let new = format!("{name}{NEW}");
        let failed = |cause: io::Error| RunError::setup(format!("write the plan {}/{name}", self.path), cause);
        let json = serde_json::to_vec(plan).map_err(|cause| failed(cause.into()))?;
        remove(&self.directory, &new).map_err(failed)?;
        let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::openat(&*self.directory, &new, how, Mode::from_raw_mode(0o600));
        File::from(file.map_err(|cause| failed(cause.into()))?).write_all(&json).map_err(failed)?;
        fs::renameat(&*self.directory, &new, &*self.directory, &name).map_err(|cause| failed(cause.into()))
    }

    /// The plan of a jail.
    pub(crate) fn plan(&self, key: &str) -> Result<Plan, RunError> {
        let name = format!("{key}{PLAN}");
        let failed = |cause: io::Error| {
            RunError::setup(format!("read the plan {}/{name}", self.path), cause)
                .help("it is written when the jail starts: start it again".to_owned())
        };
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = fs::openat(&*self.directory, &name, how, Mode::empty()).map_err(|cause| failed(cause.into()))?;
        let text = text(&File::from(file), PLAN_MAX).map_err(failed)?;
        serde_json::from_slice(&text).map_err(|cause| failed(cause.into()))
    }

    /// Takes a journal if nobody holds it; makes it, if it is to be made. Whatever could not be one of ours is refused.
    pub(crate) fn claim(&self, key: &str, make: bool) -> Result<Claim, RunError> {
        let name = format!("{key}{END}");
        let path = format!("{}/{name}", self.path);
        let failed = |cause: io::Error| RunError::setup(format!("open the journal {path}"), cause);
        let how = if make { OPEN | OFlags::CREATE } else { OPEN };
        for _ in 0..TRIES {
            let file = match fs::openat(&*self.directory, &name, how, Mode::from_raw_mode(0o600)) {
                Err(Errno::NOENT) if !make => return Ok(Claim::Missing),
                opened => File::from(opened.map_err(|cause| failed(cause.into()))?),
            };
            let stat = fs::fstat(&file).map_err(|cause| failed(cause.into()))?;
            let plain = FileType::from_raw_mode(stat.st_mode).is_file() && stat.st_nlink <= 1;
            if !plain || !is_ours_alone(&stat) {
                let cause = io::Error::other("it is not what thinjail writes");
                return Err(failed(cause).help(format!("see who made it, then remove {path}")));
            }
            match fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    return text(&file, SIZE_MAX).map(Claim::Held).map_err(failed);
                }
                Err(cause) => return Err(failed(cause.into())),
            }
            // Before it was locked another process may have ended with it.
            if look::stands_at(&*self.directory, &name, &file).map_err(failed)? {
                return Ok(Claim::Ours(Sheet { directory: Rc::clone(&self.directory), name, path, file }));
            }
        }
        Err(failed(io::Error::other("others make and remove it all the time")))
    }
}

/// Whether nobody but us could have written it.
fn is_ours_alone(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o022 == 0
}

/// All that is in it, if that is not too much.
fn text(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let count = file.take(most + 1).read_to_end(&mut text)?;
    if count as u64 > most {
        return Err(io::Error::other(format!("it has more than {} MiB", most >> 20)));
    }
    Ok(text)
}

/// Removes a file, if it is there.
fn remove(directory: &OwnedFd, name: &str) -> io::Result<()> {
    match fs::unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        other => Ok(other?),
    }
}

impl Sheet {
    /// What was written there before. What was being written when its writer was stopped is taken away.
    pub(crate) fn read(&self) -> Result<Read, RunError> {
        let failed = |cause: io::Error| RunError::setup(format!("read the journal {}", self.path), cause);
        let text = text(&self.file, SIZE_MAX).map_err(failed)?;
        let found = read(&text).map_err(|damage| {
            failed(io::Error::other(damage)).help(match damage {
                Damage::Version(_) => "clean up with the thinjail that wrote it".to_owned(),
                Damage::Line(_) => format!(
                    "nothing was touched: what it tells of is yours to take back (empty directories, mounts, the jail); \
                     then remove {}",
                    self.path
                ),
            })
        })?;
        if found.whole < text.len() {
            fs::ftruncate(&self.file, found.whole as u64).map_err(|cause| failed(cause.into()))?;
        }
        Ok(found)
    }
}

impl Paper for Sheet {
    fn add(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.write_all(line)
    }

    fn replace(&mut self, text: &[u8]) -> io::Result<()> {
        let new = format!("{}{NEW}", self.name);
        // One that was killed before it had this name left it.
        let _ = fs::unlinkat(&*self.directory, &new, AtFlags::empty());
        let how = OPEN | OFlags::CREATE | OFlags::EXCL;
        let mut file = File::from(fs::openat(&*self.directory, &new, how, Mode::from_raw_mode(0o600))?);
        let done = fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(io::Error::from)
            .and_then(|()| file.write_all(text))
            .and_then(|()| Ok(fs::renameat(&*self.directory, &new, &*self.directory, &self.name)?));
        if let Err(error) = done {
            let _ = fs::unlinkat(&*self.directory, &new, AtFlags::empty());
            return Err(error);
        }
        self.file = file;
        Ok(())
    }

    fn burn(self: Box<Self>) -> io::Result<()> {
        let _ = fs::unlinkat(&*self.directory, format!("{}{NEW}", self.name), AtFlags::empty());
        if look::stands_at(&*self.directory, &self.name, &self.file)? {
            // First: a journal without a plan is one of a jail that is not there yet.
            let key = self.name.strip_suffix(END).unwrap_or(&self.name);
            remove(&self.directory, &format!("{key}{PLAN}{NEW}"))?;
            remove(&self.directory, &format!("{key}{PLAN}"))?;
            fs::unlinkat(&*self.directory, &self.name, AtFlags::empty())?;
        }
        Ok(())
    }
}
