//! Reads a journal that another process has written, and takes nothing in it for granted.

use serde_json::Value;

use super::Entry;
use super::line::{Begin, Line, Phase, Running, VERSION};

/// What a journal says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    /// Who wrote it last; none if it ends before it begins.
    pub(crate) begin: Option<Begin>,
    /// What runs, or ran.
    pub(crate) running: Option<Running>,
    /// How its supervisor goes on.
    pub(crate) phase: Option<Phase>,
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
        Line::Begin(begin) => (read.begin, read.running, read.phase) = (Some(begin), None, None),
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
        Line::Phase(phase) => read.phase = Some(phase),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::journal::line::{Process, Verb};
    use crate::journal::undo::Undo;
    use crate::look::{Identity, Moment};

    fn undo(id: Option<Identity>) -> Undo {
        let path = thinjail_plan::path::HostPath::new("/run/a").unwrap();
        Undo::RemoveDir { path, mode: 0o755, uid: 33, gid: 33, keep: false, id }
    }

    fn begin() -> Line {
        let (name, program, supervisor) = ("x".into(), "/x".into(), Process { pid: 1, start: 2 });
        let (version, verb) = (VERSION, Verb::Start);
        Line::Begin(Begin {
            version,
            name,
            verb,
            supervisor,
            program,
            uid: 0,
            stop_timeout: 0,
            pidfile: None,
            log: None,
        })
    }

    fn text(lines: &[Line]) -> Vec<u8> {
        let line = |line| serde_json::to_vec(line).unwrap().into_iter().chain([b'\n']);
        lines.iter().flat_map(line).collect()
    }

    fn whole() -> Vec<Line> {
        let id = Some(Identity { dev: 1, ino: 2, mount: Some(3) });
        vec![
            begin(),
            Line::Will { n: 0, time: Moment(1, 0), undo: undo(None) },
            Line::Did { n: 0, undo: undo(id) },
            Line::Running(Running { main: Process { pid: 3, start: 4 }, jid: None, since: Moment(2, 0) }),
            Line::Undone { n: 0 },
        ]
    }

    #[test]
    fn cut_off_at_any_byte_it_says_what_its_whole_lines_say() {
        let all = text(&whole());
        for length in 0..=all.len() {
            let lines = all[..length].iter().filter(|byte| **byte == b'\n').count();
            let read = read(&all[..length]).unwrap();
            assert_eq!(read.whole, text(&whole()[..lines]).len(), "{length}");
            assert_eq!((read.begin.is_some(), read.entries.len()), (lines > 0, usize::from(lines > 1)), "{length}");
            assert_eq!((read.is_open(), read.running.is_some()), (matches!(lines, 2..=4), lines > 3), "{length}");
        }
    }

    #[test]
    fn a_changed_byte_never_makes_it_about_another_object() {
        let all = text(&whole()[..3]);
        let before = read(&all).unwrap();
        for at in 0..all.len() {
            for bit in 0..8 {
                let mut changed = all.clone();
                changed[at] ^= 1 << bit;
                let Ok(read) = read(&changed) else { continue };
                // What is taken back is known by its path and its number together: one of them differs at most.
                for (entry, was) in read.entries.iter().zip(&before.entries) {
                    let same = entry.undo == was.undo;
                    let blank = entry.undo.is_like(&was.undo) || same;
                    let numbers =
                        serde_json::to_string(&entry.undo).unwrap().contains("\"dev\":1,\"ino\":2,\"mount\":3");
                    assert!(same || blank || numbers, "byte {at}, bit {bit}: {:?}", entry.undo);
                }
            }
        }
    }

    #[test]
    fn lines_that_can_t_follow_each_other_are_damage() {
        let will = |n| Line::Will { n, time: Moment(1, 0), undo: undo(None) };
        let other = Undo::RemoveLimits { jail: "x".into() };
        let cases: [(&[Line], usize); 6] = [
            (&[will(0)], 1),
            (&[begin(), will(1)], 2),
            (&[begin(), will(0), will(0)], 3),
            (&[begin(), Line::Undone { n: 0 }], 2),
            (&[begin(), will(0), Line::Did { n: 1, undo: undo(None) }], 3),
            (&[begin(), will(0), Line::Did { n: 0, undo: other }], 3),
        ];
        for (lines, at) in cases {
            assert_eq!(read(&text(lines)), Err(Damage::Line(at)), "{lines:?}");
        }
        assert_eq!(read(&text(&[begin(), begin(), will(0)])).map(|read| read.entries.len()), Ok(1));
    }

    #[test]
    fn another_format_is_told_from_damage() {
        let later = b"{\"begin\":{\"version\":2,\"more\":[]}}\n";
        assert_eq!(read(later), Err(Damage::Version(2)));
        assert_eq!(read(b"{\"begin\":{\"version\":1,\"more\":[]}}\n"), Err(Damage::Line(1)));
    }
}
