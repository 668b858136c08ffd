//! The supervisor's states and events, as a function.
//!
//! | state \ event | SIGTERM | another signal | main ended | time is up | jail is gone |
//! | --- | --- | --- | --- | --- | --- |
//! | running | stop signal to main, stopping | the same to main | draining | | ended: killed |
//! | stopping | stop signal to main again | the same to main | draining (`all`: SIGTERM to the rest) | kill, killed | ended: killed |
//! | draining | SIGTERM to the rest, clock starts | the same to the rest | | kill, killed | ended: as main did |
//! | killed | | | remembered | | ended: as main did, or killed |

use std::time::Duration;

use thinjail_plan::plan::{Stop, Wait};

use crate::run::Outcome;

/// Numbers that are the same on every system we run on; signal(7), signal(3).
pub(crate) mod signal {
    pub(crate) const QUIT: i32 = 3;
    pub(crate) const INT: i32 = 2;
    pub(crate) const KILL: i32 = 9;
    pub(crate) const TERM: i32 = 15;
    pub(crate) const WINCH: i32 = 28;
}

/// Where we are. Times are counted from the start of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The main process runs, and nobody asked it to stop.
    Running,
    /// It was asked to.
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
    },
    /// The whole jail was killed.
    Killed {
        /// How the main process ended, if it was before.
        main: Option<Outcome>,
    },
    /// Nothing of it is left.
    Ended(Outcome),
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
}

/// What the profile says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    /// How it is stopped.
    pub(crate) stop: &'a Stop,
    /// Whether the jail shares our terminal, so that the terminal's keys reach it without us.
    pub(crate) tty: bool,
}

/// The next state, and what to do.
pub(crate) fn next(rules: Rules<'_>, state: State, event: Event, now: Duration) -> (State, Vec<Action>) {
    match (state, event) {
        (State::Ended(outcome), _) => (State::Ended(outcome), vec![]),
        (state, Event::JailGone) => (State::Ended(outcome(&state)), vec![]),
        (state, Event::Time) => match deadline(&state) {
            Some(deadline) if now >= deadline => (State::Killed { main: main(&state) }, vec![Action::Kill]),
            _ => (state, vec![]),
        },
        (State::Running, Event::MainEnded(main)) => (State::Draining { main, deadline: None }, vec![]),
        (State::Stopping { deadline }, Event::MainEnded(main)) => {
            let rest = match rules.stop.wait {
                Wait::Main => vec![],
                Wait::All => vec![Action::SignalAll(signal::TERM)],
            };
            (State::Draining { main, deadline: Some(deadline) }, rest)
        }
        (State::Killed { main: None }, Event::MainEnded(main)) => (State::Killed { main: Some(main) }, vec![]),
        (state, Event::MainEnded(_)) => (state, vec![]),
        (state, Event::Signal { signal, by_kernel }) if by_kernel && !crosses(rules, signal) => (state, vec![]),
        (state, Event::Signal { signal, .. }) => on_signal(rules, state, signal, now),
    }
}

/// Whether what the terminal sent to us is to be handed on. With the terminal shared the jail has got it already. A window
/// that changes its size means nothing to a daemon of its own session, but nginx would end its workers.
fn crosses(rules: Rules<'_>, signal: i32) -> bool {
    !rules.tty && signal != signal::WINCH
}

fn on_signal(rules: Rules<'_>, state: State, signal: i32, now: Duration) -> (State, Vec<Action>) {
    let until = now.saturating_add(rules.stop.timeout);
    match (state, signal) {
        (State::Running, signal::TERM) => {
            (State::Stopping { deadline: until }, vec![Action::SignalMain(rules.stop.signal)])
        }
        (State::Stopping { deadline }, signal::TERM) => {
            (State::Stopping { deadline }, vec![Action::SignalMain(rules.stop.signal)])
        }
        (state @ (State::Running | State::Stopping { .. }), other) => (state, vec![Action::SignalMain(other)]),
        (State::Draining { main, deadline }, signal::TERM | signal::INT | signal::QUIT) => {
            (State::Draining { main, deadline: Some(deadline.unwrap_or(until)) }, vec![Action::SignalAll(signal)])
        }
        (state @ State::Draining { .. }, other) => (state, vec![Action::SignalAll(other)]),
        (state @ (State::Killed { .. } | State::Ended(_)), _) => (state, vec![]),
    }
}

/// When something has to be done even if nothing happens.
pub(crate) fn deadline(state: &State) -> Option<Duration> {
    match state {
        State::Stopping { deadline } => Some(*deadline),
        State::Draining { deadline, .. } => *deadline,
        State::Running | State::Killed { .. } | State::Ended(_) => None,
    }
}

fn main(state: &State) -> Option<Outcome> {
    match state {
        State::Draining { main, .. } | State::Ended(main) => Some(*main),
        State::Killed { main } => *main,
        State::Running | State::Stopping { .. } => None,
    }
}

/// A jail that is gone with no word of its main process took it along: SIGKILL is how.
fn outcome(state: &State) -> Outcome {
    main(state).unwrap_or(Outcome::Signaled(signal::KILL))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: Duration = Duration::from_secs(100);

    fn stop(wait: Wait) -> Stop {
        Stop { signal: signal::QUIT, timeout: Duration::from_secs(10), wait }
    }

    fn step(wait: Wait, state: State, event: Event, now: Duration) -> (State, Vec<Action>) {
        next(Rules { stop: &stop(wait), tty: false }, state, event, now)
    }

    fn sent(signal: i32) -> Event {
        Event::Signal { signal, by_kernel: false }
    }

    #[test]
    fn term_becomes_the_stop_signal_and_starts_the_clock() {
        let (state, actions) = step(Wait::Main, State::Running, sent(signal::TERM), AT);
        assert_eq!(state, State::Stopping { deadline: Duration::from_secs(110) });
        assert_eq!(actions, [Action::SignalMain(signal::QUIT)]);
    }

    #[test]
    fn a_second_term_does_not_move_the_deadline() {
        let stopping = State::Stopping { deadline: Duration::from_secs(110) };
        let (state, actions) = step(Wait::Main, stopping.clone(), sent(signal::TERM), AT + Duration::from_secs(5));
        assert_eq!((state, actions), (stopping, vec![Action::SignalMain(signal::QUIT)]));
    }

    #[test]
    fn every_other_signal_is_handed_on_once_and_changes_nothing() {
        for signal in [1, 2, 3, 10, 12, 28] {
            assert_eq!(
                step(Wait::Main, State::Running, sent(signal), AT),
                (State::Running, vec![Action::SignalMain(signal)])
            );
        }
    }

    #[test]
    fn a_resized_window_does_not_reach_a_daemon_but_kill_winch_does() {
        let resized = Event::Signal { signal: signal::WINCH, by_kernel: true };
        assert_eq!(step(Wait::Main, State::Running, resized, AT), (State::Running, vec![]));
        assert_eq!(step(Wait::Main, State::Running, sent(signal::WINCH), AT).1, [Action::SignalMain(signal::WINCH)]);
    }

    #[test]
    fn keys_of_a_shared_terminal_are_not_sent_twice() {
        let key = Event::Signal { signal: signal::INT, by_kernel: true };
        let rules = Rules { stop: &stop(Wait::Main), tty: true };
        assert_eq!(next(rules, State::Running, key, AT), (State::Running, vec![]));
        assert_eq!(step(Wait::Main, State::Running, key, AT).1, [Action::SignalMain(signal::INT)]);
    }

    #[test]
    fn at_the_deadline_everything_is_killed_and_not_before() {
        let stopping = State::Stopping { deadline: Duration::from_secs(110) };
        assert_eq!(
            step(Wait::Main, stopping.clone(), Event::Time, Duration::from_millis(109_999)),
            (stopping.clone(), vec![])
        );
        assert_eq!(
            step(Wait::Main, stopping, Event::Time, Duration::from_secs(110)),
            (State::Killed { main: None }, vec![Action::Kill])
        );
        let (state, _) = step(Wait::Main, State::Killed { main: None }, Event::JailGone, AT);
        assert_eq!(state, State::Ended(Outcome::Signaled(signal::KILL)));
    }

    #[test]
    fn the_status_is_the_main_process_s() {
        let (state, _) = step(Wait::Main, State::Running, Event::MainEnded(Outcome::Exited(3)), AT);
        let (state, _) = step(Wait::Main, state, Event::JailGone, AT);
        assert_eq!(state, State::Ended(Outcome::Exited(3)));
    }

    #[test]
    fn with_wait_all_a_stop_reaches_those_who_are_left() {
        let main = Outcome::Exited(0);
        let (state, actions) = step(Wait::All, State::Draining { main, deadline: None }, sent(signal::TERM), AT);
        assert_eq!(state, State::Draining { main, deadline: Some(Duration::from_secs(110)) });
        assert_eq!(actions, [Action::SignalAll(signal::TERM)]);
        let stopping = State::Stopping { deadline: Duration::from_secs(105) };
        let (state, actions) = step(Wait::All, stopping, Event::MainEnded(main), AT);
        assert_eq!(state, State::Draining { main, deadline: Some(Duration::from_secs(105)) });
        assert_eq!(actions, [Action::SignalAll(signal::TERM)]);
    }

    proptest! {
        /// Whatever happens in whatever order: a jail that was told to stop is killed by its deadline, and one that is gone
        /// has ended.
        #[test]
        fn a_stop_always_comes_to_an_end(events in proptest::collection::vec((0u8..5, 1i32..32, any::<bool>()), 0..40)) {
            let stop = stop(Wait::All);
            let rules = Rules { stop: &stop, tty: false };
            let mut state = State::Running;
            let mut now = Duration::ZERO;
            for (kind, number, by_kernel) in events {
                now += Duration::from_millis(700);
                let event = match kind {
                    0 => Event::MainEnded(Outcome::Exited(number)),
                    1 => Event::Time,
                    _ => Event::Signal { signal: number, by_kernel },
                };
                let before = state.clone();
                let (after, actions) = next(rules, state, event, now);
                prop_assert!(actions.len() <= 1);
                if matches!(before, State::Stopping { .. }) {
                    prop_assert!(!matches!(after, State::Running));
                }
                state = after;
            }
            let (state, _) = next(rules, state, sent(signal::TERM), now);
            let (state, _) = next(rules, state, Event::Time, now + Duration::from_secs(11));
            prop_assert!(matches!(state, State::Killed { .. }), "{:?}", state);
            let (state, _) = next(rules, state, Event::JailGone, now);
            prop_assert!(matches!(state, State::Ended(_)));
        }
    }
}
