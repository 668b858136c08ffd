//! An installed service as a jail: what its unit or script says of it, the profile that follows from that, and the smallest text
//! that has the init system start the jail in its place. Pure: the texts are read, shown and put in place elsewhere.

mod known;
mod profile;
pub mod rc_conf;
pub mod systemd;
pub mod sysv;
pub mod unit;

use std::collections::BTreeMap;

pub use profile::{Base, base, candidates, profile};

/// What is known of an installed service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// Its name, without `.service`.
    pub service: String,
    /// What it starts: the program and its arguments.
    pub command: Vec<String>,
    /// As whom; none is root.
    pub user: Option<String>,
    /// The primary group, if it is not the user's.
    pub group: Option<String>,
    /// How it says that it is ready, if it is more than running: a word of `type`.
    pub ready: Option<&'static str>,
    /// Where its pid is.
    pub pidfile: Option<String>,
    /// Names below /run that are made for it.
    pub run: Vec<String>,
    /// The same below /var/lib.
    pub state: Vec<String>,
    /// The same below /var/log.
    pub log: Vec<String>,
    /// The same below /var/cache.
    pub cache: Vec<String>,
    /// What else it may write.
    pub write: Vec<String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// Files with more of it.
    pub env_files: Vec<String>,
    /// umask(2), octal.
    pub umask: Option<String>,
    /// Its working directory.
    pub chdir: Option<String>,
    /// Whether it has no network.
    pub lonely: bool,
    /// What stops it, if it is not TERM.
    pub stop_signal: Option<String>,
    /// What reloads it, if it is not HUP.
    pub reload_signal: Option<String>,
    /// What is different in a jail, one a line, for who reads the plan.
    pub notes: Vec<String>,
}

/// The line that a text of ours begins with.
fn origin(service: &str) -> String {
    let service = crate::init::quote::prose(service);
    format!("# Written by `thinjail adopt {service}`; `thinjail adopt --undo {service}` takes it back.\n")
}

/// The end of lines of ours in a file of somebody else's.
const END: &str = "# End of what thinjail has written.\n";

/// A file with lines of ours at its end.
fn appended(before: &str, service: &str, lines: &str) -> String {
    let end = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    format!("{before}{end}{}{lines}{END}", origin(service))
}

/// Such a file without them: what the administrator has written into it since stays.
#[must_use]
pub fn without_lines(text: &str, service: &str) -> Option<String> {
    let (before, rest) = text.split_once(&origin(service))?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{after}"))
}
