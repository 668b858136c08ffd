//! Files of the host that go inside: opened once, without following any link, compared with what was inspected, and copied.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::{self, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use thinjail_closure::tree::Kind;
use thinjail_plan::step::{Content, Source};

use super::super::host_dir::HostDir;
use super::{StepError, failed, place};

/// Never through a link, and never waiting for the other end of a FIFO.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// Bytes that are copied at a time.
const PIECE: usize = 1 << 17;

/// Opens what the plan means by `source`, and nothing else that may have come to stand at its path.
pub(super) fn open(source: &Source, made: &[HostDir]) -> Result<OwnedFd, StepError> {
    let path = &source.path;
    let what = || format!("open {path} without following links");
    let Some(expected) = source.id else {
        // Made by us a moment ago: that very directory, no second look at the path.
        let dir = made.iter().find(|dir| dir.path == *path);
        let dir = dir.ok_or_else(|| failed(what(), io::Error::other("the plan names no file and made none")))?;
        return rustix::io::fcntl_dupfd_cloexec(&dir.fd, 0).map_err(|cause| failed(what(), cause));
    };
    let opened = match source.kind {
        Kind::Directory => place::directory(path),
        _ => match (path.parent(), path.name()) {
            (Some(parent), Some(name)) => {
                place::directory(&parent).and_then(|parent| fs::openat(parent, name, READ, Mode::empty()))
            }
            _ => Err(Errno::INVAL),
        },
    };
    let opened = opened.map_err(|cause| failed(what(), cause))?;
    let stat = fs::fstat(&opened).map_err(|cause| failed(what(), cause))?;
    if (stat.st_dev, stat.st_ino) != (expected.dev, expected.ino) {
        let cause = io::Error::other("another file has taken its place since it was inspected: start again");
        return Err(failed(format!("open {path}"), cause));
    }
    Ok(opened)
}

/// Makes a file with its content, owner and mode; `copied` is the file of a [`Content::Copy`].
pub(super) fn put(
    parent: &OwnedFd,
    name: &str,
    content: &Content,
    copied: Option<OwnedFd>,
    mode: Mode,
    (uid, gid): (u32, u32),
) -> io::Result<()> {
    let mut file = std::fs::File::from(fs::openat(parent, name, place::NEW, Mode::RUSR | Mode::WUSR)?);
    match content {
        Content::Text(text) => file.write_all(text.as_bytes())?,
        Content::Bytes(bytes) => file.write_all(bytes)?,
        Content::Copy(_) => {
            let copied = copied.ok_or(io::ErrorKind::NotFound)?;
            copy(&mut std::fs::File::from(copied), &mut file)?;
        }
    }
    fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    Ok(fs::fchmod(&file, mode)?)
}

/// Whether a file has this content, owner and mode.
pub(super) fn is_same(
    parent: &OwnedFd,
    name: &str,
    wanted: OwnedFd,
    (mode, uid, gid): (Mode, u32, u32),
) -> io::Result<bool> {
    let has = fs::openat(parent, name, READ, Mode::empty())?;
    let stat = fs::fstat(&has)?;
    if (Mode::from_raw_mode(stat.st_mode & 0o7777), stat.st_uid, stat.st_gid) != (mode, uid, gid)
        || stat.st_size != fs::fstat(&wanted)?.st_size
    {
        return Ok(false);
    }
    let (mut has, mut wanted) = (std::fs::File::from(has), std::fs::File::from(wanted));
    let (mut one, mut two) = (Vec::new(), Vec::new());
    has.read_to_end(&mut one)?;
    wanted.read_to_end(&mut two)?;
    Ok(one == two)
}

/// The name that a copy has until it takes the place of the one before.
const REPLACING: &str = ".thinjail~";

/// Writes a file beside the one that is there, and gives it that one's name.
pub(super) fn replace(
    parent: &OwnedFd,
    name: &str,
    content: &Content,
    copied: OwnedFd,
    mode: Mode,
    owner: (u32, u32),
) -> io::Result<()> {
    let _ = fs::unlinkat(parent, REPLACING, fs::AtFlags::empty());
    let done = put(parent, REPLACING, content, Some(copied), mode, owner)
        .and_then(|()| Ok(fs::renameat(parent, REPLACING, parent, name)?));
    if done.is_err() {
        let _ = fs::unlinkat(parent, REPLACING, fs::AtFlags::empty());
    }
    done
}

/// In large pieces: what std does takes 8 KiB at a time, and a program has megabytes.
fn copy(from: &mut std::fs::File, to: &mut std::fs::File) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&piece[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
