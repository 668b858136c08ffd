//! The pidfile that the host reads: a pid of the host, written by the supervisor; pidfile(3).
//!
//! It is locked from before anything of the jail starts until all of it is gone, so that of two starts at once only one goes
//! on, and a stale file is told from a live one whatever its number says.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use rustix::fs::{self, AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;
use thinjail_plan::path::HostPath;

use crate::journal::undo::Undo;
use crate::journal::{Journal, Number};
use crate::life::{self, Condition, Jail};
use crate::look;
use crate::run::RunError;

/// A pidfile of ours: locked, and empty until its pid is known.
#[derive(Debug)]
pub(crate) struct Pidfile {
    directory: OwnedFd,
    name: String,
    path: HostPath,
    /// Keeps the lock.
    file: File,
}

const LOOK: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Never through a link that stands there, and never blocking on a FIFO.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const NEW: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How often a file that others make, remove or lock at the same moment is tried for.
const TRIES: u32 = 100;

/// Refuses where another jail holds it. Touches nothing.
pub(crate) fn check_free(path: &HostPath) -> Result<(), RunError> {
    let (directory, name) = match place(path) {
        // A step of the host will make it.
        Err(Errno::NOENT) => return Ok(()),
        other => other.map_err(|cause| led_astray(path, cause))?,
    };
    match fs::openat(&directory, name, READ, Mode::empty()) {
        Ok(found) => lock_found(path, &File::from(found)),
        Err(Errno::NOENT) => Ok(()),
        Err(cause) => Err(unreadable(path, cause)),
    }
}

/// The directory of a pidfile, whose path has no link in it since it was resolved, and the file's name. Each name on the way is
/// opened for itself: whoever owns a directory there may have put a link in, and have us write and remove elsewhere.
fn place(path: &HostPath) -> Result<(OwnedFd, &str), Errno> {
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return Err(Errno::INVAL) };
    let root = fs::open("/", LOOK, Mode::empty())?;
    let directory =
        parent.parts().try_fold(root, |directory, name| fs::openat(directory, name, LOOK, Mode::empty()))?;
    Ok((directory, name))
}

fn led_astray(path: &HostPath, cause: Errno) -> RunError {
    let error =
        RunError::setup(format!("open the directory of the pidfile {path} without following links"), cause.into());
    match cause {
        Errno::LOOP | Errno::NOTDIR => error.help(format!(
            "a symbolic link has come to stand in {path} since it was inspected: see who can write there"
        )),
        _ => error,
    }
}

fn failed(path: &HostPath, cause: impl Into<io::Error>) -> RunError {
    RunError::setup(format!("write the pidfile {path}"), cause.into())
}

fn unreadable(path: &HostPath, cause: Errno) -> RunError {
    RunError::setup(format!("read the pidfile {path}"), cause.into())
        .help(format!("remove {path} if no daemon uses it"))
}

/// Locks a file that stands at the path, if it is a stale pidfile.
fn lock_found(path: &HostPath, found: &File) -> Result<(), RunError> {
    let stat = fs::fstat(found).map_err(|cause| unreadable(path, cause))?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        let cause = io::Error::other("it is not a regular file");
        return Err(RunError::setup(format!("read the pidfile {path}"), cause).help(format!("remove {path}")));
    }
    match fs::flock(found, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            let _ = found.take(20).read_to_string(&mut pid);
            if is_strangers(path, pid.trim()) {
                return Ok(());
            }
            let cause = match pid.trim() {
                "" => io::Error::other("it is being started already"),
                pid => io::Error::other(format!("it is already running, with pid {pid}")),
            };
            Err(RunError::setup(format!("start a jail with the pidfile {path}"), cause)
                .help("stop that one first, or give this one another pidfile".to_owned()))
        }
        Err(cause) => Err(unreadable(path, cause)),
    }
}

/// Whether the lock on a file that is there is nobody's who uses it: everybody may read a pidfile, and so lock it; flock(2). The pid in
/// it is gone then, and no jail has that pidfile. What only we know of ourselves is not known without root.
fn is_strangers(path: &HostPath, pid: &str) -> bool {
    let pid = pid.parse().ok().and_then(Pid::from_raw);
    let gone = pid.is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(Errno::SRCH));
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let has = |jail: &Jail| {
        jail.pidfile.as_ref() == Some(path) && jail.supervisor != own && jail.condition != Condition::Left
    };
    gone && rustix::process::geteuid().is_root() && life::list().is_ok_and(|jails| !jails.iter().any(has))
}

/// Locks a file that was just made. Another start may be looking at it, and does so for a moment only.
fn lock_new(new: &File) -> Result<(), Errno> {
    let mut tries = 0;
    loop {
        match fs::flock(new, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if tries < TRIES => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return other,
        }
    }
}

impl Pidfile {
    /// Makes it, in place of a stale one, and locks it before anybody else may open it: whoever can may lock it. A file that was there is never written to, whatever it is a link of;
    /// it is removed under its own lock, so that no two starts take turns with the same name.
    pub(crate) fn claim(path: &HostPath) -> Result<Self, RunError> {
        let (mut directory, name) = place(path).map_err(|cause| led_astray(path, cause))?;
        for _ in 0..TRIES {
            match fs::openat(&directory, name, NEW, Mode::RUSR | Mode::WUSR) {
                Ok(new) => {
                    let claimed = Self { directory, name: name.to_owned(), path: path.clone(), file: File::from(new) };
                    let ours = lock_new(&claimed.file).map_err(io::Error::from).and_then(|()| claimed.stands());
                    match ours {
                        Ok(true) => return Ok(claimed),
                        // Before it was locked another start has taken it for a stale one.
                        Ok(false) => directory = claimed.directory,
                        Err(cause) => {
                            let _ = claimed.remove();
                            return Err(failed(path, cause));
                        }
                    }
                }
                Err(Errno::EXIST) => Self::remove_stale(path, &directory, name)?,
                Err(cause) => return Err(failed(path, cause)),
            }
        }
        Err(failed(path, io::Error::other("others make and remove it all the time")))
    }

    /// The same, with its lines in the journal: a later process finds it if nobody is left to remove it.
    pub(crate) fn claim_written(path: &HostPath, journal: &mut Journal) -> Result<(Number, Self), RunError> {
        let undo = |id| Undo::RemoveFile { path: path.clone(), id };
        let number = journal.will(undo(None)).map_err(RunError::unwritten)?;
        let claimed = Self::claim(path)?;
        let id = look::identity(&claimed.file, "").map_err(|cause| failed(path, cause));
        match id.and_then(|id| journal.did(number, undo(Some(id))).map_err(RunError::unwritten)) {
            Ok(()) => Ok((number, claimed)),
            Err(error) => {
                // The first error is the one to tell.
                let _ = claimed.remove();
                Err(error)
            }
        }
    }

    fn remove_stale(path: &HostPath, directory: &OwnedFd, name: &str) -> Result<(), RunError> {
        let found = match fs::openat(directory, name, READ, Mode::empty()) {
            Ok(found) => File::from(found),
            Err(Errno::NOENT) => return Ok(()),
            Err(cause) => return Err(unreadable(path, cause)),
        };
        lock_found(path, &found)?;
        if look::stands_at(directory, name, &found).map_err(|cause| failed(path, cause))? {
            fs::unlinkat(directory, name, AtFlags::empty()).map_err(|cause| failed(path, cause))?;
        }
        Ok(())
    }

    /// Writes the pid, all of it at once, and lets everybody read it from then on: nobody ever reads half a number. Of one that was there before, a longer one's last
    /// digits may be a line of their own for a moment.
    pub(crate) fn write(&mut self, pid: i32) -> Result<(), RunError> {
        let text = format!("{pid}\n");
        self.file
            .write_all_at(text.as_bytes(), 0)
            .and_then(|()| self.file.set_len(text.len() as u64))
            .and_then(|()| Ok(fs::fchmod(&self.file, Mode::from_bits_truncate(0o644))?))
            .map_err(|cause| failed(&self.path, cause))
    }

    /// Whether the file of that name is still ours.
    fn stands(&self) -> io::Result<bool> {
        look::stands_at(&self.directory, &self.name, &self.file)
    }

    /// Removes it, if it still is what stands there.
    pub(crate) fn remove(self) -> io::Result<()> {
        if self.stands()? {
            fs::unlinkat(&self.directory, &self.name, AtFlags::empty())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    struct Dir(std::path::PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("thinjail-pidfile-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn at(&self, name: &str) -> HostPath {
            HostPath::from_path(&self.0.join(name)).unwrap()
        }

        fn names(&self) -> usize {
            std::fs::read_dir(&self.0).unwrap().count()
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_claimed_file_is_refused_to_another_before_and_after_it_has_its_pid() {
        let dir = Dir::new("claimed");
        let path = dir.at("x.pid");
        let mut first = Pidfile::claim(&path).unwrap();
        let said = |error: RunError| error.cause.unwrap().to_string();
        assert_eq!(said(check_free(&path).unwrap_err()), "it is being started already");
        let own = std::process::id();
        first.write(own.cast_signed()).unwrap();
        assert_eq!(said(Pidfile::claim(&path).unwrap_err()), format!("it is already running, with pid {own}"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{own}\n"));
        first.remove().unwrap();
        assert_eq!(dir.names(), 0);
    }

    #[test]
    fn a_stale_file_is_replaced_and_never_written_to() {
        let dir = Dir::new("stale");
        let path = dir.at("x.pid");
        std::fs::write(&path, "99\n").unwrap();
        // What it is a hard link of stays as it was.
        std::fs::hard_link(&path, dir.at("kept").as_str()).unwrap();
        check_free(&path).unwrap();
        let mut claimed = Pidfile::claim(&path).unwrap();
        claimed.write(5).unwrap();
        assert_eq!(std::fs::read_to_string(dir.at("kept")).unwrap(), "99\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "5\n");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
    }

    #[test]
    fn a_link_is_refused_and_what_it_leads_to_stays() {
        let dir = Dir::new("link");
        std::fs::write(dir.at("secret"), "secret").unwrap();
        symlink("secret", dir.at("x.pid")).unwrap();
        assert!(check_free(&dir.at("x.pid")).is_err());
        assert!(Pidfile::claim(&dir.at("x.pid")).is_err());
        assert_eq!(std::fs::read_to_string(dir.at("secret")).unwrap(), "secret");
    }

    #[test]
    fn a_link_in_place_of_its_directory_leads_nowhere() {
        let dir = Dir::new("astray");
        std::fs::create_dir_all(dir.at("way/run")).unwrap();
        std::fs::create_dir(dir.at("other")).unwrap();
        std::fs::create_dir(dir.at("other/run")).unwrap();
        std::fs::write(dir.at("other/run/x.pid"), "7\n").unwrap();
        let path = dir.at("way/run/x.pid");
        Pidfile::claim(&path).unwrap().remove().unwrap();
        for (link, to) in [("way/run", "../other/run"), ("way", "other")] {
            std::fs::rename(dir.at(link), dir.at("away")).unwrap();
            symlink(to, dir.at(link)).unwrap();
            let error = Pidfile::claim(&path).unwrap_err();
            assert!(error.help.unwrap().contains("symbolic link"), "{link}");
            assert!(check_free(&path).is_err(), "{link}");
            std::fs::remove_file(dir.at(link)).unwrap();
            std::fs::rename(dir.at("away"), dir.at(link)).unwrap();
        }
        assert_eq!(std::fs::read_to_string(dir.at("other/run/x.pid")).unwrap(), "7\n");
    }

    #[test]
    fn a_file_that_was_put_in_its_place_is_not_removed() {
        let dir = Dir::new("replaced");
        let path = dir.at("x.pid");
        let claimed = Pidfile::claim(&path).unwrap();
        std::fs::write(dir.at("new"), "7\n").unwrap();
        std::fs::rename(dir.at("new"), &path).unwrap();
        claimed.remove().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "7\n");
    }

    #[test]
    fn of_many_claims_at_once_one_gets_it() {
        let dir = Dir::new("many");
        let path = dir.at("x.pid");
        std::fs::write(&path, "99\n").unwrap();
        for round in 0..50 {
            let barrier = std::sync::Barrier::new(4);
            let claimed: Vec<Option<Pidfile>> = std::thread::scope(|scope| {
                let claim = || {
                    barrier.wait();
                    Pidfile::claim(&path).ok()
                };
                let threads = [(); 4].map(|()| scope.spawn(claim));
                threads.map(|thread| thread.join().unwrap()).into()
            });
            // With bad luck none: each saw another's lock. Never two.
            let mut claimed = claimed.into_iter().flatten();
            if let Some(first) = claimed.next() {
                assert!(claimed.next().is_none(), "round {round}");
                first.remove().unwrap();
            }
        }
    }
}
