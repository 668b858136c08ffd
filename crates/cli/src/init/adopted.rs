//! What `adopt` has done, or was about to do when it was killed, kept on the host: `adopt --undo` puts back exactly that.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thinjail_plan::adopt::without_lines;
use thinjail_plan::init::{Command, Init};

use super::place::{Change, TakenBack, make_directory};
use super::record;

const KIND: &str = "adopted";

/// The one that is written here.
const FORMAT: u32 = 1;

/// A service that was adopted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Adopted {
    /// Of this file; another one is read by another thinjail.
    format: u32,
    /// The service's name.
    pub(crate) service: String,
    /// Of which init system.
    pub(crate) init: Init,
    /// The profile.
    pub(crate) profile: String,
    /// Directories that were not there, the uppermost first.
    pub(crate) directories: Vec<PathBuf>,
    /// What was put in place, in that order.
    pub(crate) changes: Vec<Change>,
    /// Has the init system look at it.
    pub(crate) load: Vec<Command>,
    /// Ends well if it runs.
    pub(crate) runs: Command,
    /// Stops it.
    pub(crate) stop: Command,
    /// Starts it.
    pub(crate) start: Command,
    /// Whether it ran before, and has to run afterwards.
    pub(crate) ran: bool,
    /// Whether nothing is under way: it was adopted, and found healthy.
    pub(crate) settled: bool,
}

/// What was put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Back {
    /// Everything.
    All,
    /// But for what somebody else has changed since, which stays.
    AllButChanged,
    /// Something could not be: what was there before is in the record only.
    Failed,
}

impl Adopted {
    /// What is to be done, and nothing of it done yet.
    pub(crate) fn new(service: String, init: Init, profile: String, commands: [Command; 3]) -> Self {
        let [runs, stop, start] = commands;
        Self {
            format: FORMAT,
            service,
            init,
            profile,
            directories: Vec::new(),
            changes: Vec::new(),
            load: Vec::new(),
            runs,
            stop,
            start,
            ran: false,
            settled: false,
        }
    }

    /// That of a service, if there is one.
    pub(crate) fn read(service: &str) -> io::Result<Option<Self>> {
        match record::read::<Self>(KIND, service)? {
            Some(adopted) if adopted.format != FORMAT => Err(io::Error::other("it is of another version")),
            adopted => Ok(adopted),
        }
    }

    /// Keeps it, before anything of it is done.
    pub(crate) fn write(&self) -> io::Result<()> {
        record::write(KIND, &self.service, self)
    }

    /// What is left of one who was killed before there was anything to keep.
    pub(crate) fn forget(service: &str) -> io::Result<()> {
        record::remove(KIND, service)
    }

    /// Puts everything in place.
    pub(crate) fn put(&self) -> Result<(), (PathBuf, io::Error)> {
        for directory in &self.directories {
            make_directory(directory).map_err(|error| (directory.clone(), error))?;
        }
        self.changes.iter().try_for_each(|change| change.make().map_err(|error| (change.path.clone(), error)))
    }

    /// Puts everything back, the last first. What can't be is said, and the rest goes on.
    pub(crate) fn take_back(&self, say: &mut dyn FnMut(&str)) -> Back {
        let mut all = Back::All;
        for change in self.changes.iter().rev() {
            change.sweep();
            let path = change.path.display();
            let failed = match change.take_back() {
                Ok(TakenBack::Done) => continue,
                Ok(TakenBack::Modified) if self.is_in_lines(change) => continue,
                Ok(TakenBack::Modified) => {
                    all = all.max(Back::AllButChanged);
                    format!("{path} has been changed since thinjail wrote it, and stays")
                }
                Err(error) => {
                    all = Back::Failed;
                    format!("put back {path}: {error}")
                }
            };
            say(&failed);
        }
        for directory in self.directories.iter().rev() {
            // What somebody else has put into it stays.
            let _ = std::fs::remove_dir(directory);
        }
        all
    }

    /// In a file of the administrator's only the lines are ours.
    fn is_in_lines(&self, change: &Change) -> bool {
        let rest = |text: &str| without_lines(text, &self.service);
        matches!(self.init, Init::SysV | Init::RcD) && change.leave_rest(&rest).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use thinjail_tests::temp::TempDir;

    use super::*;
    use crate::init::place::State;

    #[test]
    fn what_could_not_be_put_back_is_told_from_what_was_left_alone() {
        let temp = TempDir::new();
        let none = Command::new;
        let mut adopted = Adopted::new("app".into(), Init::Systemd, "app".into(), [none(), none(), none()]);
        let file = |text: &str| State::File { text: text.into(), mode: 0o644, owner: None };
        let change = |name: &str| Change { path: temp.path().join(name), before: State::Absent, after: file("ours") };
        let mut said = Vec::new();
        let mut back = |adopted: &Adopted| adopted.take_back(&mut |text| said.push(text.to_owned()));
        adopted.changes = vec![change("gone")];
        assert_eq!(back(&adopted), Back::All);
        std::fs::write(temp.path().join("changed"), "theirs").unwrap();
        adopted.changes.push(change("changed"));
        assert_eq!(back(&adopted), Back::AllButChanged);
        // Neither a file nor a link: it can't be known what it is.
        std::fs::create_dir(temp.path().join("strange")).unwrap();
        adopted.changes.insert(0, change("strange"));
        assert_eq!(back(&adopted), Back::Failed);
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(temp.path().join("changed").exists() && temp.path().join("strange").exists());
    }
}
