//! A file that lines are added to. It is opened anew when another file has come to its name, and has an end to its growth.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;
use thinjail_plan::path::HostPath;

use super::DIRECTORY;
use crate::look;
use crate::run::RunError;

/// Never through a link that stands there, never blocking on a FIFO, and never a terminal that would become ours.
const ADD: OFlags = OFlags::WRONLY
    .union(OFlags::APPEND)
    .union(OFlags::CREATE)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// The file.
#[derive(Debug)]
pub(super) struct LogFile {
    directory: OwnedFd,
    name: String,
    file: File,
    size: u64,
    /// With more it becomes `NAME.1`, and a new one begins.
    limit: Option<u64>,
}

/// Makes the directory of those that do not say where.
pub(super) fn make_directory() -> Result<(), RunError> {
    match fs::mkdir(DIRECTORY, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(cause) => Err(RunError::setup(format!("make the directory {DIRECTORY}"), cause.into())
            .help("write `log`, and where to".to_owned())),
    }
}

impl LogFile {
    /// Opens it, and makes it with mode 0640 where it is not there.
    pub(super) fn open(path: HostPath, limit: Option<u64>) -> Result<Self, RunError> {
        let failed = |cause: io::Error| RunError::setup(format!("open {path} for what the program says"), cause);
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        };
        let directory = look::directory(&parent, OFlags::RDONLY).map_err(|cause| {
            let error = failed(cause.into());
            match cause {
                Errno::NOENT => error.help(format!("make the directory {parent}")),
                Errno::LOOP | Errno::NOTDIR | Errno::MLINK => {
                    error.help("write the path without symbolic links on the way".to_owned())
                }
                _ => error,
            }
        })?;
        let (file, size) = open(&directory, name).map_err(failed)?;
        Ok(Self { directory, name: name.to_owned(), file, size, limit })
    }

    /// Adds whole lines.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if !look::stands_at(&self.directory, &self.name, &self.file).unwrap_or(false) {
            self.reopen()?;
        }
        let more = self.size.saturating_add(lines.len() as u64);
        if self.size > 0 && self.limit.is_some_and(|limit| more > limit) {
            fs::renameat(&self.directory, &self.name, &self.directory, format!("{}.1", self.name))?;
            self.reopen()?;
        }
        self.file.write_all(lines)?;
        self.size = self.size.saturating_add(lines.len() as u64);
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        (self.file, self.size) = open(&self.directory, &self.name)?;
        Ok(())
    }
}

fn open(directory: &OwnedFd, name: &str) -> io::Result<(File, u64)> {
    let file = File::from(fs::openat(directory, name, ADD, Mode::from_raw_mode(0o640))?);
    let stat = fs::fstat(&file)?;
    // Another name of it may be a file that is not meant.
    if !FileType::from_raw_mode(stat.st_mode).is_file() || stat.st_nlink > 1 {
        return Err(io::Error::other("it is not a file of its own"));
    }
    Ok((file, u64::try_from(stat.st_size).unwrap_or(0)))
}

/// The time of a line of our own, as RFC 3339 has it.
pub(super) fn stamp() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    civil(seconds)
}

/// Years begin in March here, so that the day that may be missing comes last.
fn civil(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_time_is_written_as_date_says_it() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z "),
            (951_827_696, "2000-02-29T12:34:56Z "),
            (1_709_251_199, "2024-02-29T23:59:59Z "),
            (1_709_251_200, "2024-03-01T00:00:00Z "),
            (4_102_444_799, "2099-12-31T23:59:59Z "),
        ] {
            assert_eq!(civil(seconds), text);
        }
    }

    #[test]
    fn a_file_that_is_full_becomes_the_one_before_and_a_renamed_one_is_let_go() {
        let path = std::env::temp_dir().join(format!("thinjail-log-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let path = path.canonicalize().unwrap();
        let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
        let mut log = LogFile::open(HostPath::from_path(&path.join("x.log")).unwrap(), Some(11)).unwrap();
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            log.write(line.as_bytes()).unwrap();
        }
        assert_eq!((read("x.log.1"), read("x.log")), ("one\ntwo\n".to_owned(), "three\nfour\n".to_owned()));
        std::fs::rename(path.join("x.log"), path.join("moved")).unwrap();
        log.write(b"five\n").unwrap();
        assert_eq!((read("moved"), read("x.log")), ("three\nfour\n".to_owned(), "five\n".to_owned()));
        // Never through a link, nor into another file's second name.
        std::fs::rename(path.join("x.log"), path.join("linked")).unwrap();
        std::os::unix::fs::symlink("linked", path.join("x.log")).unwrap();
        assert!(log.write(b"six\n").is_err());
        std::fs::remove_file(path.join("x.log")).unwrap();
        std::fs::write(path.join("other"), "others'\n").unwrap();
        std::fs::hard_link(path.join("other"), path.join("x.log")).unwrap();
        assert!(log.write(b"six\n").is_err());
        assert_eq!((read("linked"), read("other")), ("five\n".to_owned(), "others'\n".to_owned()));
        std::fs::remove_dir_all(path).unwrap();
    }
}
