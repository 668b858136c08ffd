//! Where a jail's root is on the host, and how a place in it is reached: name by name, and through no link.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use thinjail_plan::path::{HostPath, PathError};
use thinjail_plan::step::Step;

/// Below it the state of all jails is.
const STATE: &str = "thinjail";

/// The directories that a jail's root needs on the host, parents first; the last one is the root's mount point. Nobody but root
/// may enter the one before: a jail's files are no business of the host's users, and what is set-id in there must not come
/// into their hands.
pub(crate) fn steps(name: &str) -> Result<Vec<Step>, PlaceError> {
    // The host may have a link on the way, and getfsstat(2) tells of mounts by their real place.
    let run = std::fs::canonicalize("/var/run").map_err(PlaceError::Run)?;
    let state = HostPath::from_path(&run.join(STATE))?;
    let roots = HostPath::new(&format!("{state}/roots"))?;
    let root = HostPath::new(&format!("{roots}/{name}"))?;
    let make = |path, mode, keep| Step::MakeHostDir { path, mode, uid: 0, gid: 0, keep };
    Ok(vec![make(state, 0o700, true), make(roots, 0o700, true), make(root, 0o755, false)])
}

/// Why there is no place for a root.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    /// /var/run.
    #[error("find /var/run")]
    Run(#[source] io::Error),
    /// A name that is none of a directory.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A directory that is only read or walked through.
pub(super) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// A file that is not there yet.
pub(super) const NEW: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens the directory that these names lead to.
pub(super) fn walk<'n, Fd: AsFd>(from: Fd, names: impl Iterator<Item = &'n str>) -> Result<OwnedFd, Errno> {
    let here = fs::openat(from, ".", DIRECTORY, Mode::empty())?;
    names.into_iter().try_fold(here, |here, name| fs::openat(&here, name, DIRECTORY, Mode::empty()))
}

/// Opens a directory of the host.
pub(super) fn directory(path: &HostPath) -> Result<OwnedFd, Errno> {
    walk(fs::open("/", DIRECTORY, Mode::empty())?, path.parts())
}

/// The host's own devfs(5).
pub(super) fn dev() -> Result<OwnedFd, Errno> {
    fs::open("/dev", DIRECTORY, Mode::empty())
}
