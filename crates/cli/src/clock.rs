//! How long each phase took, for `--timings`.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use thinjail_jail::run::{Early, Timings};

/// What `run` begins with, before its command line is looked at.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) clock: Clock,
    /// Nothing where it is sure that there will be no jail.
    pub(crate) early: Option<Early>,
}

impl Begun {
    /// For the words after the verb.
    pub(crate) fn of(words: &[OsString]) -> Self {
        let mut clock = Clock::start();
        let early = if words.iter().any(|word| word == "--dry-run") { None } else { Early::begin() };
        if early.is_some() {
            clock.done("clone");
        }
        Self { clock, early }
    }
}

/// Runs from the start of the process.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    last: Instant,
    phases: Vec<(&'static str, Duration)>,
}

impl Clock {
    /// Starts now.
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self { start: now, last: now, phases: Vec::with_capacity(8) }
    }

    /// What was done since the last call was this phase.
    pub(crate) fn done(&mut self, phase: &'static str) {
        let now = Instant::now();
        self.phases.push((phase, now - self.last));
        self.last = now;
    }

    /// The phases so far and those of the engine, one a line, and their sums.
    pub(crate) fn table(&self, engine: Option<&Timings>) -> String {
        let started = engine.map(|engine| ("from fork to exec", engine.fork_to_exec));
        let total = ("in all", self.start.elapsed());
        let phases = self.phases.iter().chain(engine.iter().flat_map(|engine| &engine.phases)).copied();
        let rows = phases.chain(started).chain([total]);
        let lines = rows.map(|(name, time)| format!("{:>9.3} ms  {name}", time.as_secs_f64() * 1e3));
        lines.collect::<Vec<_>>().join("\n")
    }
}
