//! A jail, and the one that is made anew when it has ended: the loop over their lives. What happens within one is each
//! system's engine's.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use thinjail_plan::plan::{Plan, Ready, Restart, Stop, Success};

use super::log::SharedLog;
use super::machine::{self, Action, Event, Rules, Stage, State};
use super::words::{Caller, Word, Words};
use crate::claim;
use crate::environment;
use crate::handed;
use crate::journal::Journal;
use crate::journal::line::{Phase, Verb};
use crate::run::{Again, Observer, Outcome, RunError, Timings};
use crate::system::{Early, Engine};

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
    /// It was killed because it was not ready in time.
    late: Option<Duration>,
    program: String,
    ready_within: Option<Duration>,
    forks: bool,
    log: Option<SharedLog>,
    /// Those of `listen`, which stay open from one life to the next.
    sockets: Vec<OwnedFd>,
    /// Where this life says that it is ready.
    words: Option<Words>,
    caller: Caller,
    /// What the daemon says of itself.
    status: Option<String>,
    reloading: bool,
    written: Option<(Phase, Instant)>,
    /// It is ready, which has still to be told.
    untold: bool,
    /// What was begun before there was a plan, for the first life.
    early: Option<Early>,
    observer: &'a mut dyn Observer,
}

/// What the daemon says of itself is written for others so often at most.
const OFTEN: Duration = Duration::from_secs(1);

/// Carries out a plan, and then again as often as it says; `again` makes a new plan of the same profile. Says how it ended.
pub(crate) fn run(
    first: &Plan,
    again: Option<Again<'_>>,
    (verb, early): (Verb, Option<Early>),
    log: Option<SharedLog>,
    observer: &mut dyn Observer,
) -> Result<Outcome, RunError> {
    let engine = Engine::new(first, verb, observer)?;
    let mut journal = claim::open(first, verb)?;
    let mut service = Service::new(first, (verb, early), log, observer);
    let result = handed::open(first, &mut journal).and_then(|sockets| {
        service.sockets = sockets;
        service.lives(&engine, first, again, verb, &mut journal)
    });
    handed::close(&mut journal, &mut |error| service.observer.left(&error.describe()));
    if let Err(error) = journal.close() {
        service.observer.left(&format!("remove the journal: {error}"));
    }
    result
}

impl<'a> Service<'a> {
    fn new(
        plan: &Plan,
        (verb, early): (Verb, Option<Early>),
        log: Option<SharedLog>,
        observer: &'a mut dyn Observer,
    ) -> Self {
        let caller = match verb {
            Verb::Run => Caller::of_environment(),
            // Who has called `start` is told by its end.
            Verb::Start => Caller::nobody(),
        };
        Self {
            state: State::new(),
            start: Instant::now(),
            stop: plan.stop.clone(),
            restart: plan.service.restart.clone(),
            success: plan.success.clone(),
            tty: plan.exec.tty,
            last: None,
            late: None,
            program: plan.exec.program.to_string(),
            ready_within: ready_within(plan),
            forks: plan.service.ready == Ready::Forked,
            log,
            sockets: Vec::new(),
            words: None,
            caller,
            status: None,
            reloading: false,
            written: None,
            untold: false,
            early,
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
            match environment::filled(newer.as_ref().unwrap_or(first))
                .and_then(|plan| engine.once(&plan, journal, self))
            {
                Err(error) if !self.state.past.ready => return Err(error),
                Err(error) => self.failed(&error),
                Ok(()) => {}
            }
            self.write(journal);
            loop {
                match self.state.stage {
                    Stage::Ended(outcome) if verb == Verb::Start && !self.state.past.ready => {
                        return Err(self.never_ready(outcome));
                    }
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
                    // What is open is handed on: others would have to be opened before anything else.
                    newer.iter_mut().for_each(|plan| plan.exec.listen.clone_from(&first.exec.listen));
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

    /// What was begun before there was a plan, once.
    pub(crate) fn early(&mut self) -> Option<Early> {
        self.early.take()
    }

    /// What a new plan says holds from now on.
    fn follow(&mut self, plan: &Plan) {
        self.stop = plan.stop.clone();
        self.restart = plan.service.restart.clone();
        self.success = plan.success.clone();
        self.tty = plan.exec.tty;
        self.ready_within = ready_within(plan);
        self.forks = plan.service.ready == Ready::Forked;
        self.program = plan.exec.program.to_string();
    }

    /// What `start` fails with.
    fn never_ready(&self, outcome: Outcome) -> RunError {
        let how = match (self.late, outcome) {
            (Some(within), _) => format!("it was not ready within {}", in_words(within)),
            (None, Outcome::Exited(status)) => format!("it exited with {status} before it was ready"),
            (None, Outcome::Signaled(signal)) => format!("signal {signal} ended it before it was ready"),
        };
        RunError::setup(format!("start {}", self.program), std::io::Error::other(how))
            .help("see what it says of it: `thinjail logs NAME`; `start-timeout` is how long it may take".to_owned())
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
            ready_within: self.ready_within,
            tty: self.tty,
        };
        let before = self.state.stage;
        let state = std::mem::replace(&mut self.state, State::new());
        let (state, mut actions) = machine::next(rules, state, event, self.start.elapsed());
        let stopping = |stage| matches!(stage, Stage::Stopping { .. });
        if stopping(state.stage) && !stopping(before) {
            self.caller.say("STOPPING=1");
        }
        self.state = state;
        actions.retain(|action| !self.tell(*action));
        actions
    }

    /// Says what is only to be said.
    fn tell(&mut self, action: Action) -> bool {
        match action {
            Action::SignalMain(_) | Action::SignalAll(_) | Action::Kill => return false,
            Action::Build => self.last = None,
            Action::TellReady => self.untold = true,
            Action::TellLate => {
                self.late = self.ready_within;
                self.told(&format!("{} was not ready in time: it is killed", self.program));
            }
            Action::TellDeaf => {
                let within = in_words(self.stop.timeout);
                self.told(&format!("{} did not end within {within}: it is killed", self.program));
            }
            Action::TellRestart(wait) => {
                let why = self.ending();
                self.told(&format!("{why}; it is started again in {}", in_words(wait)));
            }
            Action::TellGivenUp => {
                let times = self.state.past.recent.len();
                let what = format!("{}; it was started again {times} times, and is given up", self.ending());
                self.told(&what);
            }
        }
        true
    }

    fn told(&mut self, what: &str) {
        self.caller.say(&format!("STATUS={what}"));
        self.observer.told(what);
    }

    /// Waits until one of `ours` can be read, or there is something to hear from the program; which it is.
    pub(crate) fn poll<const N: usize>(
        &self,
        ours: [PollFd<'_>; N],
        timeout: Option<&Timespec>,
    ) -> std::io::Result<([bool; N], bool)> {
        let log = self.log.as_ref().map(|log| log.borrow());
        let mut all = Vec::with_capacity(N + 2);
        all.extend(ours);
        let ears = [log.as_ref().map(|log| log.hear()), self.words.as_ref().map(Words::fd)];
        all.extend(ears.into_iter().flatten().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        match poll(&mut all, timeout) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let fired = |at: usize| all.get(at).is_some_and(|fd| !fd.revents().is_empty());
        Ok((std::array::from_fn(fired), (N..all.len()).any(fired)))
    }

    /// The pipe that the program gets in place of our standard output and error.
    pub(crate) fn output(&self) -> Option<std::io::Result<OwnedFd>> {
        self.log.as_ref().map(|log| Ok(rustix::io::fcntl_dupfd_cloexec(log.borrow().talk(), 0)?))
    }

    /// The sockets of `listen`, for this life.
    pub(crate) fn sockets(&self, plan: &Plan) -> Result<Vec<OwnedFd>, RunError> {
        handed::again(plan, &self.sockets)
    }

    /// Where this life says that it is ready.
    pub(crate) fn listen(&mut self, words: Option<Words>) {
        self.words = words;
        (self.status, self.reloading) = (None, false);
    }

    /// Takes what the program has said; what is left for the engine: that it is ready, and who is its main process.
    pub(crate) fn hear(&mut self, end: bool) -> Vec<Word> {
        if let Some(log) = &self.log {
            log.borrow_mut().drain(end);
        }
        let mut left = Vec::new();
        for word in self.words.as_ref().map(Words::read).unwrap_or_default() {
            match word {
                Word::Ready if self.reloading => {
                    self.reloading = false;
                    self.caller.say("READY=1");
                }
                Word::Ready | Word::MainPid(_) => left.push(word),
                Word::Reloading => {
                    self.reloading = true;
                    self.caller.say(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic()));
                }
                Word::Stopping => self.caller.say("STOPPING=1"),
                Word::Status(text) => {
                    self.caller.say(&format!("STATUS={text}"));
                    self.status = Some(text);
                }
                Word::End => self.words = None,
            }
        }
        left
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

    /// Whether it is ready when it has gone into the background.
    pub(crate) fn forks(&self) -> bool {
        self.forks
    }

    /// Where we are.
    pub(crate) fn stage(&self) -> Stage {
        self.state.stage
    }

    /// How the life that is over ended.
    #[allow(dead_code, reason = "only Linux tells which limit was hit")]
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        match self.state.stage {
            Stage::Waiting { last, .. } | Stage::Ended(last) => Some(last),
            _ => None,
        }
    }

    /// How long until something has to be done even if nothing happens.
    pub(crate) fn left(&self) -> Option<Duration> {
        let deadline = machine::deadline(self.state.stage).map(|until| until.saturating_sub(self.start.elapsed()));
        let unwritten = self.written.as_ref().filter(|(phase, _)| phase.status != self.status);
        let write = unwritten.map(|(_, at)| OFTEN.saturating_sub(at.elapsed()));
        [deadline, write].into_iter().flatten().min()
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

    /// For `status`: what has changed since it was last written. Only then is it told that the program is ready: whoever has waited
    /// for that may ask at once.
    pub(crate) fn write(&mut self, journal: &mut Journal) {
        self.write_phase(journal);
        if std::mem::take(&mut self.untold) {
            self.caller.say("READY=1");
            self.observer.ready();
        }
    }

    fn write_phase(&mut self, journal: &mut Journal) {
        let name = match self.state.stage {
            Stage::Building => "building",
            Stage::Starting { .. } => "starting",
            Stage::Running { .. } if self.reloading => "reloading",
            Stage::Running { .. } => "running",
            Stage::Stopping { .. } => "stopping",
            Stage::Draining { .. } | Stage::Killed { .. } => "ending",
            Stage::Waiting { .. } => "waiting",
            Stage::Ended(_) => return,
        };
        let phase = Phase { stage: name.into(), status: self.status.clone(), restarts: self.state.past.restarts };
        let wanted = match &self.written {
            Some((written, at)) if written.stage == phase.stage && written.restarts == phase.restarts => {
                written.status != phase.status && at.elapsed() >= OFTEN
            }
            _ => true,
        };
        if wanted {
            // If it can't be written, who asks is told what was before; the daemon goes on.
            let _ = journal.phase(phase.clone());
            self.written = Some((phase, Instant::now()));
        }
    }
}

/// None if it is ready as soon as it runs.
fn ready_within(plan: &Plan) -> Option<Duration> {
    (plan.service.ready != Ready::Runs).then_some(plan.service.start_timeout)
}

/// CLOCK_MONOTONIC in microseconds, as sd_notify(3) wants it.
fn monotonic() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}

fn waiting(cause: std::io::Error) -> RunError {
    RunError::setup("wait until it is to be started again".into(), cause)
}

fn in_words(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io;
    use std::rc::Rc;

    use super::*;
    use crate::journal::Paper;
    use crate::journal::read::Read;
    use crate::stale::tests::plan;

    /// What was written and told, in order.
    #[derive(Clone, Debug, Default)]
    struct Order(Rc<RefCell<Vec<String>>>);

    impl Paper for Order {
        fn add(&mut self, line: &[u8]) -> io::Result<()> {
            self.0.borrow_mut().push(String::from_utf8_lossy(line).into_owned());
            Ok(())
        }

        fn replace(&mut self, text: &[u8]) -> io::Result<()> {
            self.add(text)
        }

        fn burn(self: Box<Self>) -> io::Result<()> {
            Ok(())
        }
    }

    impl Observer for Order {
        fn started(&mut self, _: &Timings) {}

        fn ready(&mut self) {
            self.0.borrow_mut().push("ready".into());
        }

        fn told(&mut self, _: &str) {}

        fn background(&mut self) {}

        fn limit(&mut self, _: &str) {}

        fn left(&mut self, _: &str) {}
    }

    #[test]
    fn that_it_is_ready_is_told_once_and_after_the_journal_says_so() {
        let (order, mut plan) = (Order::default(), plan());
        plan.service.ready = Ready::Forked;
        let mut journal = Journal::on(Box::new(order.clone()), Read::default());
        let mut observer = order.clone();
        let mut service = Service::new(&plan, (Verb::Start, None), None, &mut observer);
        service.built(&Timings::default());
        service.write(&mut journal);
        service.happens(Event::Ready);
        assert!(!order.0.borrow().iter().any(|said| said == "ready"), "{order:?}");
        service.write(&mut journal);
        service.write(&mut journal);
        let said = order.0.borrow();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].contains("starting") && said[1].contains("running"), "{said:?}");
        assert_eq!(said[2], "ready");
    }
}
