//! What `enable` has done, kept on the host: `disable` takes back exactly that, whatever has become of the profile.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
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
const KIND: &str = "enabled";

/// What they have in common.
pub(super) fn keep() -> &'static Path {
    Path::new(match this_kind() {
        SystemKind::Linux => "/var/lib/thinjail",
        SystemKind::FreeBsd => "/var/db/thinjail",
    })
}

fn directory(kind: &str) -> PathBuf {
    keep().join(kind)
}

fn file(kind: &str, service: &str) -> PathBuf {
    directory(kind).join(format!("{service}.json"))
}

/// What is kept of a service, if there is anything.
pub(super) fn read<T: DeserializeOwned>(kind: &str, service: &str) -> io::Result<Option<T>> {
    match fs::read_to_string(file(kind, service)) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Keeps it: whoever is killed meanwhile leaves the old one or the new one.
pub(super) fn write<T: Serialize>(kind: &str, service: &str, value: &T) -> io::Result<()> {
    fs::create_dir_all(directory(kind))?;
    let (path, new) = (file(kind, service), file(kind, service).with_extension("new"));
    let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
    let mut to = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    to.write_all(text.as_bytes())?;
    to.sync_all()?;
    fs::rename(new, path)
}

/// Forgets it, and the directory with the last.
pub(super) fn remove(kind: &str, service: &str) -> io::Result<()> {
    let path = file(kind, service);
    for path in [path.with_extension("new"), path] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    for directory in directory(kind).ancestors().take(2) {
        if fs::remove_dir(directory).is_err() {
            // Others are in it.
            break;
        }
    }
    Ok(())
}

impl Record {
    /// The one of a service, if there is one.
    pub(crate) fn read(service: &str) -> io::Result<Option<Self>> {
        match read::<Self>(KIND, service)? {
            Some(record) if record.format != FORMAT => Err(io::Error::other("it is of another version")),
            record => Ok(record),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        file(KIND, &self.service)
    }

    /// Keeps it, before anything of it is done.
    pub(crate) fn write(&self) -> io::Result<()> {
        write(KIND, &self.service, self)
    }

    /// Forgets it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        remove(KIND, &self.service)
    }
}
