//! Files of the host that go inside: opened once, without following any link, and compared with what was inspected.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use thinjail_closure::tree::FileId;
use thinjail_plan::path::HostPath;
use thinjail_plan::step::{Access, Source};
use thinjail_sys::linux::mount::{MountAttr, mount_setattr};

use crate::os::linux::{HostDir, NO_LINKS};
use crate::run::RunError;

/// Opens what the plan means by `source`, and nothing else that may have come to stand at its path.
pub(super) fn open(source: &Source, made: &[HostDir]) -> Result<OwnedFd, RunError> {
    let path = &source.path;
    let failed = |cause: Errno| {
        let error = RunError::setup(format!("open {path} without following links"), cause.into());
        match cause {
            Errno::LOOP => error.help(format!(
                "a symbolic link has come to stand in {path} since it was inspected: see who can write there"
            )),
            Errno::NOENT => error.help("it was removed while the jail was being started; start again".to_owned()),
            other => error.help(setting(other)),
        }
    };
    let Some(expected) = source.id else {
        // Made by us a moment ago: that very descriptor, no second look at the path.
        return match made.iter().find(|dir| dir.path == *path) {
            Some(dir) => rustix::io::fcntl_dupfd_cloexec(&dir.fd, 0).map_err(failed),
            None => {
                Err(RunError::setup(format!("open {path}"), io::Error::other("the plan names no file and made none")))
            }
        };
    };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = fs::openat2(fs::CWD, path.as_str(), flags, Mode::empty(), NO_LINKS).map_err(failed)?;
    let stat = fs::fstat(&fd).map_err(failed)?;
    is_inspected(&stat, path, expected).map(|()| fd)
}

/// Whether it is what was inspected.
fn is_inspected(stat: &fs::Stat, path: &HostPath, expected: FileId) -> Result<(), RunError> {
    if (stat.st_dev, stat.st_ino) == (expected.dev, expected.ino) {
        return Ok(());
    }
    let cause = io::Error::other("another file has taken its place since it was inspected");
    Err(RunError::setup(format!("open {path}"), cause)
        .help(format!("start again; if it happens again, see who can write to the directories of {path}")))
}

/// What a node of the host is, of which the jail gets one of its own: nothing of it is opened or mounted.
pub(super) fn stat(source: &Source) -> Result<fs::Stat, RunError> {
    let path = &source.path;
    let stat = fs::statat(fs::CWD, path.as_str(), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|cause| RunError::setup(format!("look at {path}"), cause.into()))?;
    source.id.map_or(Ok(()), |expected| is_inspected(&stat, path, expected)).map(|()| stat)
}

/// The content of a small file: the very one that was inspected.
pub(super) fn read(source: &Source, made: &[HostDir]) -> Result<Vec<u8>, RunError> {
    let failed = |cause: io::Error| RunError::setup(format!("read {}", source.path), cause);
    let found = fs::fstat(open(source, made)?).map_err(|cause| failed(cause.into()))?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = fs::openat2(fs::CWD, source.path.as_str(), flags, Mode::empty(), NO_LINKS)
        .map_err(|cause| failed(cause.into()))?;
    let opened = fs::fstat(&file).map_err(|cause| failed(cause.into()))?;
    if (opened.st_dev, opened.st_ino) != (found.st_dev, found.st_ino)
        || !fs::FileType::from_raw_mode(opened.st_mode).is_file()
    {
        return Err(failed(io::Error::other("another file has taken its place since it was inspected")));
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    let mut limited = io::Read::take(std::fs::File::from(file), COPIED_MOST + 1);
    io::Read::read_to_end(&mut limited, &mut bytes).map_err(failed)?;
    if bytes.len() as u64 > COPIED_MOST {
        return Err(failed(io::Error::other("it has more than 1 MiB")));
    }
    Ok(bytes)
}

/// A plan copies nothing larger.
pub(super) const COPIED_MOST: u64 = 1 << 20;

/// What a kernel has to have.
const KERNEL: &str =
    "thinjail needs Linux 5.12 or newer, and a container's seccomp filter that lets its system calls through";

/// What root may lack.
const PRIVILEGE: &str = "CAP_SYS_ADMIN is needed: run it as root; in a container, one that is allowed to mount (docker: --privileged); or write \
     isolation = \"landlock\", which needs no namespaces and hides less: `thinjail plan` says what";

/// What ENOSPC means of a mount that is not attached: the kernel counts it as a mount namespace.
const NAMESPACES: &str =
    "user.max_mnt_namespaces is 0, or as many are in use: raise it with sysctl(8), see namespaces(7)";

/// Which setting of the host it is that refuses mounts and namespaces, where the error tells.
pub(super) fn setting(errno: Errno) -> Option<String> {
    match errno {
        Errno::NOSYS => Some(KERNEL.to_owned()),
        Errno::PERM => Some(PRIVILEGE.to_owned()),
        Errno::NOSPC => Some(NAMESPACES.to_owned()),
        _ => None,
    }
}

/// A detached mount of `source` with `access`, which nobody can see yet. Its attributes hold before it is ever attached.
pub(super) fn clone(source: &Source, access: Access, made: &[HostDir]) -> Result<OwnedFd, RunError> {
    let fd = open(source, made)?;
    // Always recursive: in a user namespace a non-recursive clone of a directory with mounts below is refused, and as root
    // it would show what those mounts cover.
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    let failed = |cause: io::Error| {
        let help = Errno::from_io_error(&cause).and_then(setting);
        RunError::setup(format!("clone the mount of {}", source.path), cause).help(help)
    };
    let mount = open_tree(&fd, c"", flags).map_err(|error| failed(error.into()))?;
    mount_setattr(&mount, c"", true, attributes(access)).map_err(failed)?;
    Ok(mount)
}

/// A detached mount that hides a file: the host's null(4) where no device works, so that nobody can open it. Before Linux 6.15
/// a file on a detached tmpfs of ours can't be mounted.
pub(super) fn mask() -> Result<OwnedFd, RunError> {
    let make = || -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let null = fs::openat2(fs::CWD, c"/dev/null", flags, Mode::empty(), NO_LINKS)?;
        if !fs::FileType::from_raw_mode(fs::fstat(&null)?.st_mode).is_char_device() {
            return Err(io::Error::other("/dev/null is no device"));
        }
        let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
        let mount = open_tree(&null, c"", clone)?;
        mount_setattr(&mount, c"", false, attributes(Access::default()))?;
        Ok(mount)
    };
    make().map_err(|cause| RunError::setup("make a mask for /proc".into(), cause))
}

/// Attributes for an access. No mount of a jail honours set-id bits.
pub(super) fn attributes(access: Access) -> MountAttr {
    let mut attr = MountAttr::NOSUID;
    if !access.write {
        attr = attr.and(MountAttr::RDONLY);
    }
    if !access.exec {
        attr = attr.and(MountAttr::NOEXEC);
    }
    if !access.dev {
        attr = attr.and(MountAttr::NODEV);
    }
    attr
}
