//! The supervisor's states and events, as a function. supervise/table.txt has what comes of each event in each state.

use std::time::Duration;

use thinjail_plan::plan::{Restart, Stop, Success, Wait, When};

use crate::run::Outcome;

#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;

/// Numbers that are the same on every system we run on; signal(7), signal(3).
pub(crate) mod signal {
    pub(crate) const HUP: i32 = 1;
    pub(crate) const INT: i32 = 2;
    pub(crate) const QUIT: i32 = 3;
    pub(crate) const KILL: i32 = 9;
    pub(crate) const PIPE: i32 = 13;
    pub(crate) const TERM: i32 = 15;
    pub(crate) const WINCH: i32 = 28;
}

/// Where we are, and what of the past still counts. Times are counted from the start of the supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// Where we are.
    pub(crate) stage: Stage,
    /// What counts.
    pub(crate) past: Past,
}

/// Where we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing of the jail is there: it is being built.
    Building,
    /// The main process runs, but is not ready yet.
    Starting {
        /// When it will be killed if it is still not.
        deadline: Duration,
    },
    /// The main process runs.
    Running {
        /// It was sent a signal by which it may end, and then it ends because we were asked for it.
        told: bool,
    },
    /// It was asked to stop.
    Stopping {
        /// When it will be killed.
        deadline: Duration,
    },
    /// It has ended; others of the jail may be left.
    Draining {
        /// How it ended.
        main: Outcome,
        /// When the others will be killed, if they were asked to stop.
        deadline: Option<Duration>,
        /// It ended because we were asked for it.
        told: bool,
    },
    /// The whole jail was killed.
    Killed {
        /// How the main process ended, if it was before.
        main: Option<Outcome>,
        /// It was killed because we were asked for it.
        told: bool,
    },
    /// Nothing of it is left, and it will be started again.
    Waiting {
        /// When.
        until: Duration,
        /// How it ended.
        last: Outcome,
    },
    /// Nothing of it is left.
    Ended(Outcome),
}

/// What of the past still counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Past {
    /// Whether it has ever been ready. One that never was is not started again: a start that fails is told to who asked for it.
    pub(crate) ready: bool,
    /// When it was decided to start it again, within the interval that counts.
    pub(crate) recent: Vec<Duration>,
    /// How often it was started again in all.
    pub(crate) restarts: u64,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// We were sent a signal.
    Signal {
        /// Its number.
        signal: i32,
        /// By the terminal and not by a process.
        by_kernel: bool,
    },
    /// The program runs.
    Built,
    /// It could not be started.
    Failed,
    /// The program does what it is for.
    Ready,
    /// The main process has ended.
    MainEnded(Outcome),
    /// The last process of the jail has ended.
    JailGone,
    /// Time has passed.
    Time,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send a signal to the main process.
    SignalMain(i32),
    /// Send it to every process of the jail.
    SignalAll(i32),
    /// Kill them all.
    Kill,
    /// Say that it was not ready in time.
    TellLate,
    /// Say that it did not end in time.
    TellDeaf,
    /// Say that it is ready.
    TellReady,
    /// Say how it ended, and that it is started again after this long.
    TellRestart(Duration),
    /// Say that it has ended too often to be started again.
    TellGivenUp,
    /// Make the jail anew.
    Build,
}

/// What the profile says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    /// How it is stopped.
    pub(crate) stop: &'a Stop,
    /// How it is started again.
    pub(crate) restart: &'a Restart,
    /// Which ends are good ones.
    pub(crate) success: &'a Success,
    /// How long it may take to be ready; none if it is so as soon as it runs.
    pub(crate) ready_within: Option<Duration>,
    /// Whether the jail shares our terminal, so that the terminal's keys reach it without us.
    pub(crate) tty: bool,
}

/// Of those that are started again without end, so many count for the wait: it has long reached its greatest length.
const COUNTED: usize = 64;

impl State {
    /// How everything begins.
    pub(crate) fn new() -> Self {
        Self { stage: Stage::Building, past: Past::default() }
    }
}

/// The next state, and what to do.
pub(crate) fn next(rules: Rules<'_>, state: State, event: Event, now: Duration) -> (State, Vec<Action>) {
    let State { stage, mut past } = state;
    let (stage, actions) = match (stage, event) {
        (Stage::Ended(outcome), _) => (Stage::Ended(outcome), vec![]),
        (stage, Event::Signal { signal, by_kernel }) if by_kernel && !crosses(rules, signal) => (stage, vec![]),
        (stage, Event::Signal { signal, .. }) => on_signal(rules, stage, signal, now),
        (stage, Event::Time) => on_time(stage, now),
        (Stage::Building, Event::Built) => match rules.ready_within {
            None => ready(&mut past),
            Some(within) => (Stage::Starting { deadline: now.saturating_add(within) }, vec![]),
        },
        (Stage::Building, Event::Failed) => gone(rules, &mut past, false, Outcome::Exited(1), now),
        (Stage::Starting { .. }, Event::Ready) => ready(&mut past),
        (Stage::Building | Stage::Waiting { .. }, _) | (_, Event::Built | Event::Failed | Event::Ready) => {
            (stage, vec![])
        }
        (stage, Event::JailGone) => gone(rules, &mut past, told(stage), outcome(stage), now),
        (stage, Event::MainEnded(main)) => on_main_ended(rules, stage, main),
    };
    (State { stage, past }, actions)
}

fn ready(past: &mut Past) -> (Stage, Vec<Action>) {
    past.ready = true;
    (Stage::Running { told: false }, vec![Action::TellReady])
}

/// Whether what the terminal sent to us is to be handed on. With the terminal shared the jail has got it already. A window
/// that changes its size means nothing to a daemon of its own session, but nginx would end its workers.
fn crosses(rules: Rules<'_>, signal: i32) -> bool {
    !rules.tty && signal != signal::WINCH
}

/// The signals by which who sends them means an end.
fn means_end(signal: i32) -> bool {
    matches!(signal, signal::TERM | signal::INT | signal::QUIT)
}

fn on_signal(rules: Rules<'_>, stage: Stage, signal: i32, now: Duration) -> (Stage, Vec<Action>) {
    let until = now.saturating_add(rules.stop.timeout);
    match (stage, signal) {
        (Stage::Starting { .. } | Stage::Running { .. }, signal::TERM) => {
            (Stage::Stopping { deadline: until }, vec![Action::SignalMain(rules.stop.signal)])
        }
        // Who sends it to what is not ready yet means its end as well.
        (Stage::Starting { .. }, end) if means_end(end) => {
            (Stage::Stopping { deadline: until }, vec![Action::SignalMain(end)])
        }
        (Stage::Stopping { deadline }, signal::TERM) => {
            (Stage::Stopping { deadline }, vec![Action::SignalMain(rules.stop.signal)])
        }
        (Stage::Running { told }, other) => {
            (Stage::Running { told: told || means_end(other) }, vec![Action::SignalMain(other)])
        }
        (stage @ (Stage::Starting { .. } | Stage::Stopping { .. }), other) => (stage, vec![Action::SignalMain(other)]),
        (Stage::Draining { main, deadline, .. }, end) if means_end(end) => {
            let stage = Stage::Draining { main, deadline: Some(deadline.unwrap_or(until)), told: true };
            (stage, vec![Action::SignalAll(end)])
        }
        (stage @ Stage::Draining { .. }, other) => (stage, vec![Action::SignalAll(other)]),
        (Stage::Killed { main, .. }, end) if means_end(end) => (Stage::Killed { main, told: true }, vec![]),
        (Stage::Building, end) if means_end(end) => (Stage::Ended(Outcome::Signaled(end)), vec![]),
        (Stage::Waiting { last, .. }, end) if means_end(end) => (Stage::Ended(last), vec![]),
        (stage @ (Stage::Building | Stage::Killed { .. } | Stage::Waiting { .. } | Stage::Ended(_)), _) => {
            (stage, vec![])
        }
    }
}

fn on_time(stage: Stage, now: Duration) -> (Stage, Vec<Action>) {
    match stage {
        Stage::Starting { deadline } if now >= deadline => {
            (Stage::Killed { main: None, told: false }, vec![Action::TellLate, Action::Kill])
        }
        Stage::Waiting { until, .. } if now >= until => (Stage::Building, vec![Action::Build]),
        Stage::Stopping { deadline } if now >= deadline => {
            (Stage::Killed { main: None, told: true }, vec![Action::TellDeaf, Action::Kill])
        }
        Stage::Draining { main, deadline: Some(deadline), told } if now >= deadline => {
            (Stage::Killed { main: Some(main), told }, vec![Action::TellDeaf, Action::Kill])
        }
        _ => (stage, vec![]),
    }
}

fn on_main_ended(rules: Rules<'_>, stage: Stage, main: Outcome) -> (Stage, Vec<Action>) {
    match stage {
        Stage::Starting { .. } => (Stage::Draining { main, deadline: None, told: false }, vec![]),
        Stage::Running { told } => (Stage::Draining { main, deadline: None, told }, vec![]),
        Stage::Stopping { deadline } => {
            let rest = match rules.stop.wait {
                Wait::Main => vec![],
                Wait::All => vec![Action::SignalAll(signal::TERM)],
            };
            (Stage::Draining { main, deadline: Some(deadline), told: true }, rest)
        }
        Stage::Killed { main: None, told } => (Stage::Killed { main: Some(main), told }, vec![]),
        other => (other, vec![]),
    }
}

/// Nothing of the jail is left: is it to be started again, and when?
fn gone(rules: Rules<'_>, past: &mut Past, told: bool, last: Outcome, now: Duration) -> (Stage, Vec<Action>) {
    let Restart { when, delay, delay_max, limit, interval } = *rules.restart;
    let wanted = match when {
        When::No => false,
        When::OnFailure => !is_clean(last, rules.success),
        When::Always => true,
    };
    if told || !wanted || !past.ready {
        return (Stage::Ended(last), vec![]);
    }
    past.recent.retain(|then| now.saturating_sub(*then) < interval);
    if limit.is_some_and(|limit| past.recent.len() >= usize::try_from(limit).unwrap_or(usize::MAX)) {
        return (Stage::Ended(last), vec![Action::TellGivenUp]);
    }
    let doubled = u32::try_from(past.recent.len()).ok().and_then(|times| 2_u32.checked_pow(times)).unwrap_or(u32::MAX);
    let wait = delay.saturating_mul(doubled).min(delay_max);
    if limit.is_none() && past.recent.len() >= COUNTED {
        past.recent.remove(0);
    }
    past.recent.push(now);
    past.restarts += 1;
    (Stage::Waiting { until: now.saturating_add(wait), last }, vec![Action::TellRestart(wait)])
}

/// Whether a daemon ends like this that was asked to, by whomever.
fn is_clean(outcome: Outcome, success: &Success) -> bool {
    outcome.is_one_of(success)
        || matches!(
            outcome,
            Outcome::Exited(0) | Outcome::Signaled(signal::HUP | signal::INT | signal::PIPE | signal::TERM)
        )
}

/// When something has to be done even if nothing happens.
pub(crate) fn deadline(stage: Stage) -> Option<Duration> {
    match stage {
        Stage::Starting { deadline } | Stage::Stopping { deadline } => Some(deadline),
        Stage::Waiting { until, .. } => Some(until),
        Stage::Draining { deadline, .. } => deadline,
        Stage::Building | Stage::Running { .. } | Stage::Killed { .. } | Stage::Ended(_) => None,
    }
}

fn told(stage: Stage) -> bool {
    match stage {
        Stage::Running { told } | Stage::Draining { told, .. } | Stage::Killed { told, .. } => told,
        Stage::Stopping { .. } => true,
        Stage::Building | Stage::Starting { .. } | Stage::Waiting { .. } | Stage::Ended(_) => false,
    }
}

/// A jail that is gone with no word of its main process took it along: SIGKILL is how.
fn outcome(stage: Stage) -> Outcome {
    match stage {
        Stage::Draining { main, .. } | Stage::Ended(main) | Stage::Waiting { last: main, .. } => main,
        Stage::Killed { main: Some(main), .. } => main,
        Stage::Building
        | Stage::Starting { .. }
        | Stage::Running { .. }
        | Stage::Stopping { .. }
        | Stage::Killed { main: None, .. } => Outcome::Signaled(signal::KILL),
    }
}
