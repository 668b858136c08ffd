//! Reads a journal that another process has written, and takes nothing in it for granted.

use serde_json::Value;

use super::Entry;
use super::line::{Begin, Line, Running, VERSION};

/// What a journal says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    /// Who wrote it last; none if it ends before it begins.
    pub(crate) begin: Option<Begin>,
    /// What runs, or ran.
    pub(crate) running: Option<Running>,
    /// Every step.
    pub(crate) entries: Vec<Entry>,
    /// How many bytes its whole lines have: what follows was being written when its writer was stopped.
    pub(crate) whole: usize,
}

/// Why a journal can't be used, and nothing is taken back by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    /// Not text of ours.
    #[error("line {0} is damaged")]
    Line(usize),
    /// Of another version of thinjail.
    #[error("it is of format {0}, and this thinjail knows format {VERSION}")]
    Version(u64),
}

impl Read {
    /// Whether anything is to be taken back.
    pub(crate) fn is_open(&self) -> bool {
        self.entries.iter().any(|entry| entry.open)
    }
}

/// Reads all whole lines. One that is damaged makes the whole journal worthless: what it is silent about can't be known.
pub(crate) fn read(text: &[u8]) -> Result<Read, Damage> {
    let mut read = Read::default();
    for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let Some(line) = line.strip_suffix(b"\n") else { break };
        read.whole += line.len() + 1;
        let line: Line = serde_json::from_slice(line).map_err(|_| damage(line, at + 1))?;
        if let Line::Begin(begin) = &line
            && begin.version != VERSION
        {
            return Err(Damage::Version(begin.version.into()));
        }
        take(&mut read, line).ok_or(Damage::Line(at + 1))?;
    }
    Ok(read)
}

/// A line that this version does not know may be another's.
fn damage(line: &[u8], number: usize) -> Damage {
    let version = |line: Value| line.get("begin")?.get("version")?.as_u64();
    match serde_json::from_slice(line).ok().and_then(version) {
        Some(version) if version != u64::from(VERSION) => Damage::Version(version),
        _ => Damage::Line(number),
    }
}

/// None for a line that can't follow what was before it.
fn take(read: &mut Read, line: Line) -> Option<()> {
    if read.begin.is_none() && !matches!(line, Line::Begin(_)) {
        return None;
    }
    match line {
        Line::Begin(begin) => (read.begin, read.running) = (Some(begin), None),
        Line::Will { n, time, undo } if n == read.entries.len() => {
            read.entries.push(Entry { time, undo, open: true });
        }
        Line::Will { .. } => return None,
        Line::Did { n, undo } => {
            let entry = read.entries.get_mut(n).filter(|entry| entry.undo.is_like(&undo))?;
            entry.undo = undo;
        }
        Line::Undone { n } => read.entries.get_mut(n)?.open = false,
        Line::Running(running) => read.running = Some(running),
    }
    Some(())
}
