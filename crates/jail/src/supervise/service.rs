//! A jail, and the one that is made anew when it has ended: the loop over their lives. What happens within one is each
//! system's engine's.

use std::time::{Duration, Instant};

use thinjail_plan::plan::{Plan, Restart, Stop, Success};

use super::machine::{self, Action, Event, Rules, Stage, State};
use crate::claim;
use crate::journal::Journal;
use crate::journal::line::{Phase, Verb};
use crate::run::{Again, Observer, Outcome, RunError, Timings};
use crate::system::Engine;

/// What an engine does its part of, one life after the other.
pub(crate) struct Service<'a> {
    state: State,
    start: Instant,
    stop: Stop,
    restart: Restart,
    success: Success,
    tty: bool,
    /// How the last life ended, and why it could not be begun, as one line.
    last: Option<String>,
    program: String,
    written: Option<Phase>,
    observer: &'a mut dyn Observer,
}

/// Carries out a plan, and then again as often as it says; `again` makes a new plan of the same profile. Says how it ended.
pub(crate) fn run(
    first: &Plan,
    again: Option<Again<'_>>,
    verb: Verb,
    observer: &mut dyn Observer,
) -> Result<Outcome, RunError> {
    let engine = Engine::new(first, verb, observer)?;
    let mut journal = claim::open(first, verb)?;
    let mut service = Service::new(first, observer);
    let result = service.lives(&engine, first, again, verb, &mut journal);
    if let Err(error) = journal.close() {
        service.observer.left(&format!("remove the journal: {error}"));
    }
    result
}

impl<'a> Service<'a> {
    fn new(plan: &Plan, observer: &'a mut dyn Observer) -> Self {
        Self {
            state: State::new(),
            start: Instant::now(),
            stop: plan.stop.clone(),
            restart: plan.service.restart.clone(),
            success: plan.success.clone(),
            tty: plan.exec.tty,
            last: None,
            program: plan.exec.program.to_string(),
            written: None,
            observer,
        }
    }

    fn lives(
        &mut self,
        engine: &Engine,
        first: &Plan,
        mut again: Option<Again<'_>>,
        verb: Verb,
        journal: &mut Journal,
    ) -> Result<Outcome, RunError> {
        let mut newer: Option<Plan> = None;
        loop {
            match engine.once(newer.as_ref().unwrap_or(first), journal, self) {
                Err(error) if !self.state.past.ready => return Err(error),
                Err(error) => self.failed(&error),
                Ok(()) => {}
            }
            self.write(journal);
            loop {
                match self.state.stage {
                    Stage::Ended(outcome) => return Ok(outcome),
                    Stage::Building => {}
                    _ => {
                        let event = engine.rest(self.left()).map_err(waiting)?;
                        self.happens(event);
                        continue;
                    }
                }
                let plan = match &mut again {
                    Some(again) if engine.looks_again() => again().map(Some),
                    _ => Ok(None),
                };
                let claimed = plan.and_then(|plan| {
                    newer = plan.or_else(|| newer.take());
                    let plan = newer.as_ref().unwrap_or(first);
                    self.follow(plan);
                    claim::again(plan, verb, journal)
                });
                match claimed {
                    Ok(()) => break,
                    Err(error) => self.failed(&error),
                }
                self.write(journal);
            }
        }
    }

    /// What a new plan says holds from now on.
    fn follow(&mut self, plan: &Plan) {
        self.stop = plan.stop.clone();
        self.restart = plan.service.restart.clone();
        self.success = plan.success.clone();
        self.tty = plan.exec.tty;
        self.program = plan.exec.program.to_string();
    }

    fn failed(&mut self, error: &RunError) {
        self.last = Some(error.on_one_line());
        let event = if self.state.stage == Stage::Building { Event::Failed } else { Event::JailGone };
        self.happens(event);
    }

    /// Something has happened; what is left for the engine to do about it.
    pub(crate) fn happens(&mut self, event: Event) -> Vec<Action> {
        let rules = Rules {
            stop: &self.stop,
            restart: &self.restart,
            success: &self.success,
            ready_within: None,
            tty: self.tty,
        };
        let state = std::mem::replace(&mut self.state, State::new());
        let (state, mut actions) = machine::next(rules, state, event, self.start.elapsed());
        self.state = state;
        actions.retain(|action| !self.tell(*action));
        actions
    }

    /// Says what is only to be said.
    fn tell(&mut self, action: Action) -> bool {
        match action {
            Action::SignalMain(_) | Action::SignalAll(_) | Action::Kill => return false,
            Action::Build => self.last = None,
            Action::TellReady => self.observer.ready(),
            Action::TellLate => self.observer.told(&format!("{} was not ready in time: it is killed", self.program)),
            Action::TellRestart(wait) => {
                let why = self.ending();
                let again = format!("{why}; it is started again in {}", in_words(wait));
                self.observer.told(&again);
            }
            Action::TellGivenUp => {
                let times = self.state.past.recent.len();
                let what = format!("{}; it was started again {times} times, and is given up", self.ending());
                self.observer.told(&what);
            }
        }
        true
    }

    /// How the last life ended, as jail(8) says it.
    fn ending(&self) -> String {
        let last = match self.state.stage {
            Stage::Waiting { last, .. } | Stage::Ended(last) => last,
            _ => Outcome::Exited(0),
        };
        match (&self.last, last) {
            (Some(why), _) => why.clone(),
            (None, Outcome::Exited(status)) => format!("{}: exited with {status}", self.program),
            (None, Outcome::Signaled(signal)) => format!("{}: exited on signal {signal}", self.program),
        }
    }

    /// Whether the jail ends with its last process.
    #[allow(dead_code, reason = "on Linux pid 1 knows it")]
    pub(crate) fn waits_for_all(&self) -> bool {
        self.stop.wait == thinjail_plan::plan::Wait::All
    }

    /// Where we are.
    pub(crate) fn stage(&self) -> Stage {
        self.state.stage
    }

    /// How long until something has to be done even if nothing happens.
    pub(crate) fn left(&self) -> Option<Duration> {
        machine::deadline(self.state.stage).map(|until| until.saturating_sub(self.start.elapsed()))
    }

    /// To be told.
    pub(crate) fn observer(&mut self) -> &mut dyn Observer {
        self.observer
    }

    /// The program runs. The times are told of the first start only.
    pub(crate) fn built(&mut self, timings: &Timings) {
        if self.state.past.restarts == 0 {
            self.observer.started(timings);
        }
        self.happens(Event::Built);
    }

    /// For `status`: what has changed since it was last written.
    pub(crate) fn write(&mut self, journal: &mut Journal) {
        let name = match self.state.stage {
            Stage::Building => "building",
            Stage::Starting { .. } => "starting",
            Stage::Running { .. } => "running",
            Stage::Stopping { .. } => "stopping",
            Stage::Draining { .. } | Stage::Killed { .. } => "ending",
            Stage::Waiting { .. } => "waiting",
            Stage::Ended(_) => return,
        };
        let phase = Phase { stage: name.into(), restarts: self.state.past.restarts };
        if self.written.as_ref() != Some(&phase) {
            // Who asks is told what was before; the daemon goes on.
            let _ = journal.phase(phase.clone());
            self.written = Some(phase);
        }
    }
}

fn waiting(cause: std::io::Error) -> RunError {
    RunError::setup("wait until it is to be started again".into(), cause)
}

fn in_words(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}
