//! TOML -> [`super::Spec`], with line, column and hint for everything that does not fit.

mod check;
mod fault;
mod unclosed;
mod values;

use std::fmt;

use serde::Deserialize;
use toml::de::{DeTable, Deserializer};

use super::Spec;
use super::keys::KEYS;
use fault::Fault;
pub use values::Value;

/// A profile is a page or two; what is larger is something else.
pub const MAX_BYTES: usize = 256 * 1024;

/// Lists that are never closed: more in one profile is no slip.
const LISTS_MAX: usize = 4;

/// What does not fit, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    /// The file's name.
    pub file: String,
    /// Counted from 1; 0 if the file as a whole is meant.
    pub line: usize,
    /// Counted from 1, in characters; 0 if the file as a whole is meant.
    pub column: usize,
    /// Lowercase: what does not fit, and why.
    pub what: String,
    /// The line itself, and below it a mark; empty if the file as a whole is meant.
    pub excerpt: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}:{line}:{}: {}\n{}", self.file, self.column, self.what, self.excerpt),
        }
    }
}

/// What a profile says, as far as it can be understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Without the keys that have a fault.
    pub spec: Spec,
    /// Everything that does not fit, in the order of the file.
    pub faults: Vec<ParseError>,
    /// The keys that have a fault, or were likely meant by one that is unknown: what is said to be missing may be there.
    pub doubtful: Vec<String>,
}

/// Reads a profile; of several faults the first. `file` is only for the message.
pub fn parse(text: &str, file: &str) -> Result<Spec, ParseError> {
    let mut parsed = parse_all(text, file);
    if parsed.faults.is_empty() { Ok(parsed.spec) } else { Err(parsed.faults.swap_remove(0)) }
}

/// Reads what can be read of a profile, and finds everything that can't.
#[must_use]
pub fn parse_all(text: &str, file: &str) -> Parsed {
    if text.len() > MAX_BYTES {
        let fault = ParseError {
            file: file.into(),
            line: 0,
            column: 0,
            what: format!("the file has {} bytes; a profile has {} at most", text.len(), MAX_BYTES),
            excerpt: String::new(),
            help: Some("check that it is the file that is meant".into()),
        };
        return Parsed { faults: vec![fault], ..Parsed::default() };
    }
    read(text, file, LISTS_MAX)
}

/// With so many lists at most that are closed where they were meant to be.
fn read(text: &str, file: &str, lists: usize) -> Parsed {
    let mut faults = Vec::new();
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            if let Some((fault, mended)) = unclosed::list(text, &error).filter(|_| lists > 0) {
                // What it has swallowed is read as if it were closed.
                let rest = read(&mended, file, lists - 1);
                let faults = [fault.at(text, file)].into_iter().chain(rest.faults).collect();
                return Parsed { faults, ..rest };
            }
            let (table, errors) = DeTable::parse_recoverable(text);
            faults.extend(errors.iter().map(|error| Fault::of(error).no_toml(text)));
            table
        }
    };
    let broken: Vec<usize> = faults.iter().map(|fault| fault.line(text)).collect();
    check::check(table.get_ref(), KEYS, "", &mut faults);
    // What follows from a line that is no TOML is no second fault.
    let mut seen: Vec<usize> = Vec::new();
    let mut at = 0;
    faults.retain(|fault| {
        at += 1;
        let line = fault.line(text);
        let new = if at <= broken.len() { !seen.contains(&line) } else { !broken.contains(&line) };
        seen.push(line);
        new
    });
    faults.sort_by_key(Fault::start);
    let doubtful: Vec<String> = faults.iter().filter_map(Fault::doubtful).map(String::from).collect();
    let spec = if faults.is_empty() {
        Spec::deserialize(Deserializer::from(table))
    } else {
        Spec::deserialize(Deserializer::from(check::without(table, &faults)))
    };
    let spec = spec.unwrap_or_else(|error| {
        // What is left of a text that is no TOML may fit nowhere.
        if faults.is_empty() {
            faults.push(Fault::of(&error));
        }
        Spec::default()
    });
    Parsed { spec, faults: faults.into_iter().map(|fault| fault.at(text, file)).collect(), doubtful }
}

/// Every value of a profile that can be read, and where it stands, in the order of the file.
#[must_use]
pub fn values(text: &str, file: &str) -> Vec<Value> {
    DeTable::parse(text).map_or_else(|_| Vec::new(), |table| values::of(table.get_ref(), text, file))
}
