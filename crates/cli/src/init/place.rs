//! Files put in place and taken back: each change knows what was there before, and is made only while that is still there.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thinjail_plan::init::{Content, Placed};

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// What is in it.
        text: String,
        /// Its permission bits.
        mode: u32,
        /// User and group; none is root, whose files the ones are that we write.
        #[serde(default)]
        owner: Option<(u32, u32)>,
    },
    /// A symbolic link.
    Link {
        /// Where it leads.
        to: String,
    },
}

impl State {
    /// What stands there now.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let found = match fs::symlink_metadata(path) {
            Ok(found) => found,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Self::Absent);
            }
            Err(error) => return Err(error),
        };
        if found.is_symlink() {
            return Ok(Self::Link { to: fs::read_link(path)?.display().to_string() });
        }
        if !found.is_file() {
            return Err(io::Error::other("it is neither a file nor a link"));
        }
        let owner = (found.uid(), found.gid());
        let owner = (owner != (0, 0)).then_some(owner);
        Ok(Self::File { text: fs::read_to_string(path)?, mode: found.mode() & 0o7777, owner })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let temporary = beside(path)?;
        // Left by one that was killed; the name has our own pid.
        let _ = fs::remove_file(&temporary);
        let written = match self {
            Self::Absent => return fs::remove_file(path),
            Self::Link { to } => symlink(to, &temporary),
            Self::File { text, mode, owner } => write_file(&temporary, text, *mode, *owner),
        };
        // Whoever reads it finds the old one or the new one, and never a part.
        written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
    }
}

impl From<&Content> for State {
    fn from(content: &Content) -> Self {
        match content {
            Content::File { text, mode } => Self::File { text: text.clone(), mode: *mode, owner: None },
            Content::Link { to } => Self::Link { to: to.clone() },
        }
    }
}

fn write_file(path: &Path, text: &str, mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    // A directory may give its own group to what is made in it.
    let owner = owner.or_else(|| rustix::process::geteuid().is_root().then_some((0, 0)));
    if let Some((uid, gid)) = owner {
        std::os::unix::fs::fchown(&file, Some(uid), Some(gid))?;
    }
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

/// A name in the same directory, which no init system takes for a service.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it has no name"))?.to_string_lossy();
    Ok(path.with_file_name(format!(".{name}.thinjail-{}~", std::process::id())))
}

/// One path, what is there before, and afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// Where.
    pub(crate) path: PathBuf,
    /// Before.
    pub(crate) before: State,
    /// Afterwards.
    pub(crate) after: State,
}

/// What came of taking a change back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakenBack {
    /// It is as it was before.
    Done,
    /// Somebody has changed it since, and it was left alone.
    Modified,
}

impl Change {
    /// What a file is to be, whatever is there.
    pub(crate) fn to(path: &Path, after: State) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), before: State::at(path)?, after })
    }

    /// Something new.
    pub(crate) fn new(placed: &Placed) -> Self {
        Self { path: placed.path.as_str().into(), before: State::Absent, after: (&placed.content).into() }
    }

    /// Removes what one has left who was killed while he made it or took it back.
    pub(crate) fn sweep(&self) {
        let (Some(dir), Some(name)) = (self.path.parent(), self.path.file_name()) else { return };
        let (begin, end) = (format!(".{}.thinjail-", name.to_string_lossy()), "~");
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let found = entry.file_name().to_string_lossy().into_owned();
            let pid = found.strip_prefix(&begin).and_then(|rest| rest.strip_suffix(end));
            if pid.is_some_and(|pid| pid.parse::<u32>().is_ok()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Makes it, if it can be.
    pub(crate) fn make(&self) -> io::Result<()> {
        match State::at(&self.path)? {
            now if now == self.after => Ok(()),
            now if now == self.before => self.after.write(&self.path),
            _ => Err(io::Error::other("it has changed meanwhile")),
        }
    }

    /// Where ours is but a part of what is there by now: has the rest stay, as `rest` finds it. Whether it did.
    pub(crate) fn leave_rest(&self, rest: &dyn Fn(&str) -> Option<String>) -> io::Result<bool> {
        let State::File { text, mode, owner } = State::at(&self.path)? else { return Ok(false) };
        let Some(text) = rest(&text) else { return Ok(false) };
        State::File { text, mode, owner }.write(&self.path)?;
        Ok(true)
    }

    /// Takes it back, unless somebody else has changed it.
    pub(crate) fn take_back(&self) -> io::Result<TakenBack> {
        match State::at(&self.path) {
            Ok(now) if now == self.before => Ok(TakenBack::Done),
            Ok(now) if now == self.after => self.before.write(&self.path).map(|()| TakenBack::Done),
            Ok(_) => Ok(TakenBack::Modified),
            // What can't be read as ours is none of ours.
            Err(error) if error.kind() == ErrorKind::InvalidData => Ok(TakenBack::Modified),
            Err(error) => Err(error),
        }
    }
}

/// The directories that are missing on the way to this path, the uppermost first.
pub(crate) fn missing_directories(path: &Path) -> Vec<PathBuf> {
    let above = path.ancestors().skip(1);
    let mut missing: Vec<PathBuf> = above.take_while(|dir| !dir.exists()).map(Path::to_owned).collect();
    missing.reverse();
    missing
}

/// Makes a directory of root's.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(0o755)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use thinjail_tests::temp::TempDir;

    use super::*;

    fn owned(text: &str, mode: u32) -> State {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        State::File { text: text.into(), mode, owner: ((uid, gid) != (0, 0)).then_some((uid, gid)) }
    }

    #[test]
    fn a_change_is_made_and_taken_back_to_the_byte_and_the_mode() {
        let dir = TempDir::new();
        let path = dir.path().join("x");
        let states = [owned("a\n", 0o640), owned("b", 0o755), State::Link { to: "/nowhere".into() }, State::Absent];
        for before in &states {
            for after in states.iter().filter(|after| *after != before) {
                let _ = fs::remove_file(&path);
                if *before != State::Absent {
                    before.write(&path).unwrap();
                }
                let change = Change { path: path.clone(), before: before.clone(), after: after.clone() };
                change.make().unwrap();
                assert_eq!(State::at(&path).unwrap(), *after);
                assert_eq!(change.take_back().unwrap(), TakenBack::Done);
                assert_eq!(State::at(&path).unwrap(), *before);
                assert_eq!(fs::read_dir(dir.path()).unwrap().count(), usize::from(*before != State::Absent));
            }
        }
    }

    #[test]
    fn what_somebody_else_has_written_is_never_touched() {
        let dir = TempDir::new();
        let path = dir.path().join("x");
        let change = Change { path: path.clone(), before: State::Absent, after: owned("ours\n", 0o644) };
        fs::write(&path, "theirs\n").unwrap();
        assert!(change.make().is_err());
        assert_eq!(change.take_back().unwrap(), TakenBack::Modified);
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(change.take_back().unwrap(), TakenBack::Modified);
        assert_eq!(fs::read(&path).unwrap(), [0xff, 0xfe]);
    }

    #[test]
    fn what_is_already_as_it_is_to_be_is_no_fault() {
        let dir = TempDir::new();
        let path = dir.path().join("x");
        let change = Change { path: path.clone(), before: State::Absent, after: owned("ours\n", 0o644) };
        change.make().unwrap();
        change.make().unwrap();
        change.take_back().unwrap();
        assert_eq!(change.take_back().unwrap(), TakenBack::Done);
    }
}
