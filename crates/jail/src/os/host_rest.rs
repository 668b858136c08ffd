//! What a daemon that was killed has left in the directory of its run: a pidfile or a socket, in whose way the next life would be.
//! Nothing goes that the user of the jail could not remove without us: his own, in directories of his own, on the one file
//! system that we have made the directory on.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};

use super::host_dir::Wanted;
use crate::look::{self, Identity};

const DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Directories below one another. Whoever has made more has meant no run-time data.
const DEEPEST: usize = 32;

/// Only where the system itself would remove it at the next boot; whatever a journal says, no data lies there. What root has left may be
/// anybody's.
pub(crate) fn may_be_removed(wanted: Wanted<'_>) -> bool {
    let run = ["/run/", "/var/run/"].iter().any(|run| wanted.path.as_str().starts_with(run));
    run && !wanted.keep && wanted.uid != 0
}

/// Removes what is in `directory`, which belongs to `uid`, and all that is below it; what is another's stays, with its directories.
pub(crate) fn remove(directory: &OwnedFd, uid: u32, within: Identity) -> io::Result<()> {
    clear(directory, uid, within, DEEPEST)
}

fn clear(directory: &OwnedFd, uid: u32, within: Identity, deepest: usize) -> io::Result<()> {
    let found = look::identity(directory, "")?;
    let stat = fs::fstat(directory)?;
    // A file system that was mounted here meanwhile is somebody else's, and so is what stands in a directory of another's: there
    // nothing keeps a name from being another file at the next look.
    if (found.dev, found.mount) != (within.dev, within.mount) || stat.st_uid != uid {
        return Ok(());
    }
    let mut names = Vec::new();
    for entry in fs::Dir::read_from(directory)? {
        let name: CString = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    for name in names {
        // One that can't be removed is no reason to leave the others.
        let _ = one(directory, &name, uid, within, deepest);
    }
    Ok(())
}

fn one<D: AsFd>(directory: D, name: &CStr, uid: u32, within: Identity, deepest: usize) -> io::Result<()> {
    let stat = fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if stat.st_uid != uid {
        return Ok(());
    }
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Ok(fs::unlinkat(&directory, name, AtFlags::empty())?);
    }
    if let Some(deepest) = deepest.checked_sub(1) {
        clear(&fs::openat(&directory, name, DIR, Mode::empty())?, uid, within, deepest)?;
    }
    Ok(fs::unlinkat(&directory, name, AtFlags::REMOVEDIR)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use thinjail_plan::path::HostPath;

    use super::{Wanted, may_be_removed};

    #[test]
    fn what_is_left_goes_from_run_only_and_from_no_directory_that_stays_or_is_root_s() {
        let may = |path: &str, uid, keep| {
            let path = HostPath::new(path).unwrap();
            may_be_removed(Wanted { path: &path, mode: 0o755, uid, gid: uid, keep })
        };
        assert!(may("/run/app", 33, false) && may("/var/run/app/sock", 33, false));
        for path in ["/run", "/var/run", "/runner/app", "/home/app", "/var/lib/app"] {
            assert!(!may(path, 33, false), "{path}");
        }
        assert!(!may("/run/app", 33, true) && !may("/run/app", 0, false));
    }
}
