//! Groups of processes with limits: made on the host, and removed when nobody is in them any more; cgroups(7).

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;
use thinjail_plan::path::HostPath;
use thinjail_plan::step::Step;

use super::StepError;
use super::host_dir::HostDir;
use super::linux::NO_LINKS;
use crate::journal::undo::Undo;
use crate::look;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    parent: &'a HostPath,
    name: &'a str,
    enable: &'a [String],
    settings: &'a [(String, String)],
}

impl<'a> Wanted<'a> {
    /// Of a step that makes one.
    pub(crate) fn of(step: &'a Step) -> Option<Self> {
        match step {
            Step::MakeCgroup { parent, name, enable, settings } => Some(Self { parent, name, enable, settings }),
            _ => None,
        }
    }

    /// The name that no other supervisor uses while we live, and by which it is told afterwards that we don't.
    fn full_name(&self) -> String {
        format!("{}.{}", self.name, rustix::process::getpid())
    }

    /// Where it is; none if that is no path.
    fn path(&self) -> Option<HostPath> {
        self.parent.join(&self.full_name()).ok()
    }

    /// How it is taken back.
    pub(crate) fn undo(&self) -> Option<Undo> {
        Some(Undo::RemoveCgroup { path: self.path()? })
    }
}

const DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Makes one. Those of supervisors that were killed, and that nobody is in any more, go at the same time.
pub(crate) fn make(wanted: Wanted<'_>) -> Result<(HostDir, Option<Undo>), StepError> {
    let name = wanted.full_name();
    let shown = || format!("make the group {}/{name}", wanted.parent);
    let failed = |what: String| move |cause: Errno| StepError::Step { what, cause: cause.into() };
    let Some(path) = wanted.path() else { return Err(failed(shown())(Errno::INVAL)) };
    let parent = fs::openat2(fs::CWD, wanted.parent.as_str(), DIR, Mode::empty(), NO_LINKS).map_err(failed(shown()))?;
    sweep(&parent);
    for controller in wanted.enable {
        // Where it is enabled already this changes nothing, and where it can't be the settings below have no file.
        let _ = write(&parent, "cgroup.subtree_control", &format!("+{controller}"));
    }
    fs::mkdirat(&parent, name.as_str(), Mode::from_raw_mode(0o755)).map_err(failed(shown()))?;
    let set = || -> Result<OwnedFd, StepError> {
        let fd = fs::openat2(&parent, name.as_str(), DIR, Mode::empty(), NO_LINKS).map_err(failed(shown()))?;
        for (file, value) in wanted.settings {
            write(&fd, file, value).map_err(failed(format!("write {value} to {path}/{file}")))?;
        }
        Ok(fd)
    };
    match set() {
        Ok(fd) => Ok((HostDir { path: path.clone(), fd }, Some(Undo::RemoveCgroup { path }))),
        Err(error) => {
            // The first error is the one to tell.
            let _ = fs::unlinkat(&parent, name.as_str(), AtFlags::REMOVEDIR);
            Err(error)
        }
    }
}

/// Removes one: rmdir(2) takes those only that nobody is in. What is none of ours is left alone, whatever a journal says.
pub(crate) fn remove(path: &HostPath) -> Result<(), StepError> {
    let refused = |cause: io::Error| StepError::RemoveHostDir { path: path.clone(), cause };
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return Ok(()) };
    if supervisor(name).is_none() {
        return Ok(());
    }
    let removed = look::directory(&parent, OFlags::PATH)
        .and_then(|parent| if is_cgroup(&parent)? { fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) } else { Ok(()) });
    match removed {
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
        Err(cause) => Err(refused(cause.into())),
    }
}

/// CGROUP_SUPER_MAGIC and CGROUP2_SUPER_MAGIC; statfs(2).
const MAGIC: [i64; 2] = [0x0027_e0eb, 0x6367_7270];

#[allow(clippy::useless_conversion, reason = "f_type is of another size elsewhere")]
fn is_cgroup(directory: &OwnedFd) -> Result<bool, Errno> {
    Ok(MAGIC.contains(&i64::from(fs::fstatfs(directory)?.f_type)))
}

/// The supervisor that a group of ours has in its name.
fn supervisor(name: &str) -> Option<Pid> {
    let (_, pid) = name.strip_prefix("thinjail.")?.rsplit_once('.')?;
    pid.parse().ok().and_then(Pid::from_raw)
}

fn write(dir: &OwnedFd, file: &str, value: &str) -> Result<(), Errno> {
    let fd = fs::openat2(dir, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty(), NO_LINKS)?;
    // The kernel takes each setting in one write(2).
    rustix::io::write(&fd, value.as_bytes()).map(drop)
}

/// Removes what supervisors have left that were killed. A pid that is in use by now keeps its group until another time.
fn sweep(parent: &OwnedFd) {
    let Ok(entries) = fs::Dir::read_from(parent) else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().to_str() else { continue };
        let Some(pid) = supervisor(name) else { continue };
        let ended = pid == rustix::process::getpid() || rustix::process::test_kill_process(pid) == Err(Errno::SRCH);
        if ended {
            // Busy while the processes that were in it are still on their way out.
            let _ = fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
        }
    }
}

/// What a file of a group says.
pub(crate) fn read(group: &HostDir, file: &str) -> io::Result<String> {
    let fd = fs::openat2(&group.fd, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty(), NO_LINKS)?;
    std::io::read_to_string(std::fs::File::from(fd))
}

/// Opens the file by which a process enters a group.
pub(crate) fn entrance(group: &HostDir) -> io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    Ok(fs::openat2(&group.fd, "cgroup.procs", flags, Mode::empty(), NO_LINKS)?)
}
