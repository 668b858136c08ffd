//! Opens a file only if nobody but root and the caller could have written it, or put it there.
//!
//! A profile says what root does. Whoever can write it, or replace it or a directory above it, is root.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};
use rustix::io::Errno;

use crate::report::Failure;

/// Links gone through before it is called a loop; path_resolution(7).
const LINKS_MAX: usize = 40;

/// Whose files are believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust {
    caller: u32,
}

/// A regular file that was found trustworthy, open.
#[derive(Debug)]
pub(super) struct Opened {
    file: OwnedFd,
    size: u64,
}

impl Opened {
    /// Bytes in it when it was opened.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Its beginning, `most` bytes at most.
    pub(super) fn read(self, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::from(self.file).take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Whether this process runs with other rights than the one who started it has.
pub(super) fn is_set_id() -> bool {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    getuid() != geteuid() || getgid() != getegid()
}

impl Trust {
    /// Root and the user this process runs as.
    pub(super) fn of_caller() -> Self {
        Self { caller: rustix::process::geteuid().as_raw() }
    }

    /// Opens the regular file at `path`. None if there is nothing there; a link that leads nowhere is an error, since
    /// someone meant something by it.
    ///
    /// It goes name by name on descriptors: as nobody else can change a directory gone through, nobody can change what
    /// is found in it either, and the file read is the one that was judged.
    pub(super) fn open(self, path: &Path) -> Result<Option<Opened>, Failure> {
        let failed = |at: &Path, errno: Errno| {
            Failure::new(format!("look up {} for the profile {}", at.display(), path.display())).cause(errno)
        };
        let mut names = reversed(path);
        let mut at = PathBuf::from("/");
        let mut directory = open_directory(rustix::fs::CWD, b"/").map_err(|errno| failed(&at, errno))?;
        self.judge(&at, &fstat(&directory).map_err(|errno| failed(&at, errno))?)?;
        let mut links = 0;
        let mut named_by_link = false;
        while let Some(name) = names.pop() {
            if name == ".." {
                at.pop();
                directory = open_directory(&directory, b"..").map_err(|errno| failed(&at, errno))?;
                continue;
            }
            at.push(&name);
            let stat = match statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT) if !named_by_link => return Ok(None),
                Err(errno) => return Err(failed(&at, errno)),
            };
            self.judge(&at, &stat)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => {
                    links += 1;
                    named_by_link |= names.is_empty();
                    if links > LINKS_MAX {
                        return Err(failed(&at, Errno::LOOP));
                    }
                    let to = readlinkat(&directory, &name, Vec::new()).map_err(|errno| failed(&at, errno))?;
                    let to = PathBuf::from(OsString::from_vec(to.into_bytes()));
                    at.pop();
                    if to.is_absolute() {
                        at = PathBuf::from("/");
                        directory = open_directory(rustix::fs::CWD, b"/").map_err(|errno| failed(&at, errno))?;
                    }
                    names.extend(reversed(&to));
                }
                FileType::Directory if !names.is_empty() => {
                    directory = open_directory(&directory, name.as_bytes()).map_err(|errno| failed(&at, errno))?;
                }
                FileType::RegularFile if names.is_empty() => {
                    // Never blocks, should it be a FIFO by now.
                    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
                    let file = openat(&directory, &name, flags, Mode::empty()).map_err(|errno| failed(&at, errno))?;
                    let stat = fstat(&file).map_err(|errno| failed(&at, errno))?;
                    self.judge(&at, &stat)?;
                    return if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                        Ok(Some(Opened { file, size: u64::try_from(stat.st_size).unwrap_or(u64::MAX) }))
                    } else {
                        Err(not_a_file(path))
                    };
                }
                _ => return Err(not_a_file(path)),
            }
        }
        Err(not_a_file(path))
    }

    /// Refuses what someone other than root and the caller could have changed.
    fn judge(self, at: &Path, stat: &Stat) -> Result<(), Failure> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        let mode = Mode::from_raw_mode(stat.st_mode);
        let refused = |why: String| Failure::new(format!("trust the profile at {}", at.display())).cause(why);
        if stat.st_uid != 0 && stat.st_uid != self.caller {
            return Err(refused(format!("it belongs to uid {}", stat.st_uid))
                .help(format!("chown root {}, or keep the profile elsewhere", at.display())));
        }
        let others = mode.intersects(Mode::WGRP | Mode::WOTH);
        // In a sticky directory only the owner of a name can replace it, and the owner of each name is judged too. The
        // mode of a link means nothing.
        let harmless = kind == FileType::Symlink || (kind == FileType::Directory && mode.contains(Mode::SVTX));
        if others && !harmless {
            return Err(refused("users other than its owner may write it".into())
                .help(format!("chmod go-w {}, or keep the profile elsewhere", at.display())));
        }
        Ok(())
    }
}

/// The names in a path, the first one last; without `.`.
fn reversed(path: &Path) -> Vec<OsString> {
    let names = path.as_os_str().as_bytes().split(|&byte| byte == b'/');
    names.rev().filter(|name| !matches!(*name, b"" | b".")).map(|name| OsString::from_vec(name.to_vec())).collect()
}

fn open_directory(from: impl rustix::fd::AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    openat(from, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn not_a_file(path: &Path) -> Failure {
    Failure::new(format!("read the profile {}", path.display())).cause("it is not a regular file")
}
