//! What `enable` has done, kept on the host: `disable` takes back exactly that, whatever has become of the profile.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thinjail_jail::inspect::this_kind;
use thinjail_plan::facts::SystemKind;
use thinjail_plan::init::{Command, Init};

use super::place::Change;

/// A service that was enabled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Record {
    /// Of this file; another one is read by another thinjail.
    pub(crate) format: u32,
    /// The profile.
    pub(crate) profile: String,
    /// The service's name.
    pub(crate) service: String,
    /// Of which init system.
    pub(crate) init: Init,
    /// Directories that were not there, the uppermost first.
    pub(crate) directories: Vec<PathBuf>,
    /// What was put in place, in that order.
    pub(crate) changes: Vec<Change>,
    /// What starts it at once and with the system; the last that was put in place.
    pub(crate) switch: Option<Change>,
    /// Ends well if it runs.
    pub(crate) runs: Option<Command>,
    /// Stops it.
    pub(crate) stop: Option<Command>,
    /// It starts with the system no more.
    pub(crate) disable: Vec<Command>,
    /// Done once everything is gone.
    pub(crate) forget: Vec<Command>,
    /// What the init system makes for it while it runs.
    pub(crate) run_time: Vec<PathBuf>,
}

/// The one that is written here.
pub(crate) const FORMAT: u32 = 1;

/// Where they are: below the directory for what programs keep, since a reboot ends nothing of it.
fn directory() -> &'static Path {
    Path::new(match this_kind() {
        SystemKind::Linux => "/var/lib/thinjail/enabled",
        SystemKind::FreeBsd => "/var/db/thinjail/enabled",
    })
}

fn path(service: &str) -> PathBuf {
    directory().join(format!("{service}.json"))
}

impl Record {
    /// The one of a service, if there is one.
    pub(crate) fn read(service: &str) -> io::Result<Option<Self>> {
        let text = match fs::read_to_string(path(service)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let record: Self = serde_json::from_str(&text).map_err(io::Error::other)?;
        if record.format == FORMAT { Ok(Some(record)) } else { Err(io::Error::other("it is of another version")) }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        path(&self.service)
    }

    /// Keeps it, before anything of it is done.
    pub(crate) fn write(&self) -> io::Result<()> {
        fs::create_dir_all(directory())?;
        let (path, new) = (self.path(), self.path().with_extension("new"));
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(new, path)
    }

    /// Forgets it, and the directory with the last.
    pub(crate) fn remove(&self) -> io::Result<()> {
        fs::remove_file(self.path())?;
        for directory in directory().ancestors().take(2) {
            if fs::remove_dir(directory).is_err() {
                // Others are in it.
                break;
            }
        }
        Ok(())
    }
}
