//! What was done on the host, and how each thing is taken back: written before and after each step, so that whoever comes
//! later can take it down wherever its writer was stopped.

pub(crate) mod line;
pub(crate) mod read;
pub(crate) mod undo;

use std::io;

use crate::look::Moment;
use line::{Begin, Line, Phase, Running};
use read::Read;
use undo::Undo;

/// Where the lines go.
pub(crate) trait Paper: std::fmt::Debug {
    /// Adds a line, whole or not at all.
    fn add(&mut self, line: &[u8]) -> io::Result<()>;

    /// This in place of all its lines: whoever reads meanwhile, or after a loss of power, finds the old ones or the new ones.
    fn replace(&mut self, text: &[u8]) -> io::Result<()>;

    /// Nothing is left to take back: away with it.
    fn burn(self: Box<Self>) -> io::Result<()>;
}

/// A line could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write in the journal what is about to be done")]
pub(crate) struct Unwritten(#[source] io::Error);

impl Unwritten {
    /// What the system said.
    pub(crate) fn into_cause(self) -> io::Error {
        self.0
    }
}

/// A step that is on its way, or was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When its line was written.
    pub(crate) time: Moment,
    /// How it is taken back, as far as that is known.
    pub(crate) undo: Undo,
    /// Whether it is still to be taken back.
    pub(crate) open: bool,
}

/// The number of a step in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(usize);

/// A journal that is being written. What is not on paper is held all the same: a jail that puts nothing on the host needs none.
#[derive(Debug)]
pub(crate) struct Journal {
    paper: Option<Box<dyn Paper>>,
    entries: Vec<Entry>,
    begin: Option<Begin>,
    running: Option<Running>,
    /// Lines that tell how the supervisor goes on, since all were last written.
    phases: u32,
    /// Sockets stay from one life of the jail to the next.
    keeps_sockets: bool,
}

/// So many lines about how the supervisor goes on are written before all but the last of them are dropped.
const PHASES: u32 = 500;

impl Journal {
    /// One that nobody will read.
    pub(crate) fn unwritten() -> Self {
        Self { paper: None, entries: Vec::new(), begin: None, running: None, phases: 0, keeps_sockets: false }
    }

    /// One that goes on where another supervisor ended.
    pub(crate) fn on(paper: Box<dyn Paper>, read: Read) -> Self {
        Self {
            paper: Some(paper),
            entries: read.entries,
            begin: read.begin,
            running: read.running,
            phases: 0,
            keeps_sockets: false,
        }
    }

    /// Whether what is done will be known after us.
    pub(crate) fn is_written(&self) -> bool {
        self.paper.is_some()
    }

    /// A supervisor takes over.
    pub(crate) fn begin(&mut self, begin: Begin) -> Result<(), Unwritten> {
        self.begin = Some(begin.clone());
        self.write(&Line::Begin(begin))
    }

    /// The same supervisor makes a jail anew: only what is still to be taken back is kept. No number of a step is good any more.
    pub(crate) fn renew(&mut self, begin: Begin) -> Result<(), Unwritten> {
        self.entries.retain(|entry| entry.open);
        (self.begin, self.running) = (Some(begin), None);
        self.rewrite(None)
    }

    /// How the supervisor goes on.
    pub(crate) fn phase(&mut self, phase: Phase) -> Result<(), Unwritten> {
        self.phases += 1;
        if self.phases > PHASES {
            return self.rewrite(Some(phase));
        }
        self.write(&Line::Phase(phase))
    }

    /// All that still matters in place of all that was written.
    fn rewrite(&mut self, phase: Option<Phase>) -> Result<(), Unwritten> {
        self.phases = 0;
        let Some(paper) = &mut self.paper else { return Ok(()) };
        let mut lines = Vec::with_capacity(self.entries.len() + 3);
        lines.extend(self.begin.clone().map(Line::Begin));
        for (n, Entry { time, undo, open }) in self.entries.iter().enumerate() {
            lines.push(Line::Will { n, time: *time, undo: undo.clone() });
            lines.extend((!open).then_some(Line::Undone { n }));
        }
        lines.extend(self.running.clone().map(Line::Running));
        lines.extend(phase.map(Line::Phase));
        let mut text = Vec::new();
        for line in lines {
            text.extend(serde_json::to_vec(&line).map_err(|error| Unwritten(error.into()))?);
            text.push(b'\n');
        }
        paper.replace(&text).map_err(Unwritten)
    }

    /// A step is about to be done; if this fails it must not be.
    pub(crate) fn will(&mut self, undo: Undo) -> Result<Number, Unwritten> {
        let (n, time) = (self.entries.len(), Moment::now());
        self.write(&Line::Will { n, time, undo: undo.clone() })?;
        self.entries.push(Entry { time, undo, open: true });
        Ok(Number(n))
    }

    /// It was done, and this takes it back. If it can't be written it is known for as long as we live, and the step has to be
    /// taken back now.
    pub(crate) fn did(&mut self, number: Number, undo: Undo) -> Result<(), Unwritten> {
        if let Some(entry) = self.entries.get_mut(number.0) {
            entry.undo = undo.clone();
        }
        self.write(&Line::Did { n: number.0, undo })
    }

    /// The program runs.
    pub(crate) fn running(&mut self, running: Running) -> Result<(), Unwritten> {
        self.running = Some(running.clone());
        self.write(&Line::Running(running))
    }

    /// It was taken back, or there was nothing to take back. That this could not be written does no harm: what is not there any
    /// more is not taken back twice.
    pub(crate) fn undone(&mut self, number: Number) {
        if let Some(entry) = self.entries.get_mut(number.0) {
            entry.open = false;
        }
        let _ = self.write(&Line::Undone { n: number.0 });
    }

    /// What is still to be taken back, last first.
    pub(crate) fn open(&self) -> Vec<(Number, Entry)> {
        let stays = |undo: &Undo| self.keeps_sockets && matches!(undo, Undo::RemoveSocket { .. });
        let open = self.entries.iter().enumerate().filter(|(_, entry)| entry.open && !stays(&entry.undo));
        open.rev().map(|(n, entry)| (Number(n), entry.clone())).collect()
    }

    /// Whether [`Journal::open`] passes over sockets, which are not a jail's but its supervisor's.
    pub(crate) fn keep_sockets(&mut self, keep: bool) {
        self.keeps_sockets = keep;
    }

    /// The end: with nothing left to take back the journal goes as well. Otherwise it stays for the next start, stop or clean.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        match self.paper.take() {
            Some(paper) if self.entries.iter().all(|entry| !entry.open) => paper.burn(),
            _ => Ok(()),
        }
    }

    fn write(&mut self, line: &Line) -> Result<(), Unwritten> {
        let Some(paper) = &mut self.paper else { return Ok(()) };
        let mut text = serde_json::to_vec(line).map_err(|error| Unwritten(error.into()))?;
        text.push(b'\n');
        paper.add(&text).map_err(Unwritten)
    }
}
