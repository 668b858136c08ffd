//! The rules of the state machine, each by itself.

use proptest::prelude::*;

use super::*;

const AT: Duration = Duration::from_secs(100);

fn stop(wait: Wait) -> Stop {
    Stop { signal: signal::QUIT, timeout: Duration::from_secs(10), wait }
}

fn restart(when: When) -> Restart {
    let (delay, delay_max) = (Duration::from_millis(500), Duration::from_secs(3));
    Restart { when, delay, delay_max, limit: Some(5), interval: Duration::from_secs(60) }
}

fn as_ready(stage: Stage) -> State {
    State { stage, past: Past { ready: true, ..Past::default() } }
}

fn step(wait: Wait, stage: Stage, event: Event, now: Duration) -> (Stage, Vec<Action>) {
    let (stop, restart) = (stop(wait), restart(When::No));
    let rules = Rules { stop: &stop, restart: &restart, success: &Success::default(), ready_within: None, tty: false };
    let (state, actions) = next(rules, as_ready(stage), event, now);
    (state.stage, actions)
}

fn sent(signal: i32) -> Event {
    Event::Signal { signal, by_kernel: false }
}

const RUNNING: Stage = Stage::Running { told: false };

#[test]
fn term_becomes_the_stop_signal_and_starts_the_clock() {
    let (stage, actions) = step(Wait::Main, RUNNING, sent(signal::TERM), AT);
    assert_eq!(stage, Stage::Stopping { deadline: Duration::from_secs(110) });
    assert_eq!(actions, [Action::SignalMain(signal::QUIT)]);
}

#[test]
fn a_second_term_does_not_move_the_deadline() {
    let stopping = Stage::Stopping { deadline: Duration::from_secs(110) };
    let done = step(Wait::Main, stopping, sent(signal::TERM), AT + Duration::from_secs(5));
    assert_eq!(done, (stopping, vec![Action::SignalMain(signal::QUIT)]));
}

#[test]
fn every_other_signal_is_handed_on_once_and_changes_nothing() {
    for signal in [1, 10, 12, 28] {
        assert_eq!(step(Wait::Main, RUNNING, sent(signal), AT), (RUNNING, vec![Action::SignalMain(signal)]));
    }
    // But one that means an end is remembered.
    for signal in [signal::INT, signal::QUIT] {
        let told = Stage::Running { told: true };
        assert_eq!(step(Wait::Main, RUNNING, sent(signal), AT), (told, vec![Action::SignalMain(signal)]));
    }
}

#[test]
fn a_resized_window_does_not_reach_a_daemon_but_kill_winch_does() {
    let resized = Event::Signal { signal: signal::WINCH, by_kernel: true };
    assert_eq!(step(Wait::Main, RUNNING, resized, AT), (RUNNING, vec![]));
    assert_eq!(step(Wait::Main, RUNNING, sent(signal::WINCH), AT).1, [Action::SignalMain(signal::WINCH)]);
}

#[test]
fn keys_of_a_shared_terminal_are_not_sent_twice() {
    let key = Event::Signal { signal: signal::INT, by_kernel: true };
    let (stop, restart) = (stop(Wait::Main), restart(When::No));
    let rules = Rules { stop: &stop, restart: &restart, success: &Success::default(), ready_within: None, tty: true };
    assert_eq!(next(rules, as_ready(RUNNING), key, AT), (as_ready(RUNNING), vec![]));
    assert_eq!(step(Wait::Main, RUNNING, key, AT).1, [Action::SignalMain(signal::INT)]);
}

#[test]
fn at_the_deadline_everything_is_killed_and_not_before() {
    let stopping = Stage::Stopping { deadline: Duration::from_secs(110) };
    assert_eq!(step(Wait::Main, stopping, Event::Time, Duration::from_millis(109_999)), (stopping, vec![]));
    let killed = Stage::Killed { main: None, told: true };
    let done = step(Wait::Main, stopping, Event::Time, Duration::from_secs(110));
    assert_eq!(done, (killed, vec![Action::TellDeaf, Action::Kill]));
    let (stage, _) = step(Wait::Main, killed, Event::JailGone, AT);
    assert_eq!(stage, Stage::Ended(Outcome::Signaled(signal::KILL)));
}

#[test]
fn the_status_is_the_main_process_s() {
    let (stage, _) = step(Wait::Main, RUNNING, Event::MainEnded(Outcome::Exited(3)), AT);
    let (stage, _) = step(Wait::Main, stage, Event::JailGone, AT);
    assert_eq!(stage, Stage::Ended(Outcome::Exited(3)));
}

#[test]
fn with_wait_all_a_stop_reaches_those_who_are_left() {
    let main = Outcome::Exited(0);
    let draining = |deadline, told| Stage::Draining { main, deadline, told };
    let (stage, actions) = step(Wait::All, draining(None, false), sent(signal::TERM), AT);
    assert_eq!(stage, draining(Some(Duration::from_secs(110)), true));
    assert_eq!(actions, [Action::SignalAll(signal::TERM)]);
    let stopping = Stage::Stopping { deadline: Duration::from_secs(105) };
    let (stage, actions) = step(Wait::All, stopping, Event::MainEnded(main), AT);
    assert_eq!(stage, draining(Some(Duration::from_secs(105)), true));
    assert_eq!(actions, [Action::SignalAll(signal::TERM)]);
}

/// How a jail goes on that has ended.
fn after(when: When, outcome: Outcome, past: Past) -> (State, Vec<Action>) {
    let (stop, restart) = (stop(Wait::Main), restart(when));
    let rules = Rules { stop: &stop, restart: &restart, success: &Success::default(), ready_within: None, tty: false };
    let draining = Stage::Draining { main: outcome, deadline: None, told: false };
    next(rules, State { stage: draining, past }, Event::JailGone, AT)
}

#[test]
fn what_is_started_again_is_what_the_profile_says() {
    use Outcome::{Exited, Signaled};
    let ready = || Past { ready: true, ..Past::default() };
    for outcome in [Exited(0), Exited(1), Signaled(signal::KILL), Signaled(signal::TERM), Signaled(11)] {
        let again = |when| matches!(after(when, outcome, ready()).0.stage, Stage::Waiting { .. });
        let failed = matches!(outcome, Exited(1) | Signaled(signal::KILL | 11));
        assert_eq!([When::No, When::OnFailure, When::Always].map(again), [false, failed, true], "{outcome:?}");
        // A start that has failed is told to who asked for it.
        assert_eq!(after(When::Always, outcome, Past::default()).0.stage, Stage::Ended(outcome));
    }
}

#[test]
fn what_was_asked_to_end_is_not_started_again() {
    let (stop, restart) = (stop(Wait::Main), restart(When::Always));
    let rules = Rules { stop: &stop, restart: &restart, success: &Success::default(), ready_within: None, tty: false };
    for signal in [signal::TERM, signal::INT, signal::QUIT] {
        let mut state = as_ready(RUNNING);
        for event in [sent(signal), Event::MainEnded(Outcome::Exited(1)), Event::JailGone] {
            state = next(rules, state, event, AT).0;
        }
        assert_eq!(state.stage, Stage::Ended(Outcome::Exited(1)), "{signal}");
    }
}

#[test]
fn each_wait_is_twice_as_long_up_to_the_longest_and_the_limit_ends_it() {
    let mut past = Past { ready: true, ..Past::default() };
    let mut waits = Vec::new();
    loop {
        let (state, actions) = after(When::Always, Outcome::Exited(1), past);
        past = state.past;
        match actions[..] {
            [Action::TellRestart(wait)] => waits.push(wait.as_millis()),
            _ => {
                break assert_eq!(
                    (state.stage, actions),
                    (Stage::Ended(Outcome::Exited(1)), vec![Action::TellGivenUp])
                );
            }
        }
    }
    assert_eq!(waits, [500, 1000, 2000, 3000, 3000]);
    assert_eq!(past.restarts, 5);
    // What is longer ago than the interval counts no more.
    past.recent = vec![Duration::from_secs(39), Duration::from_secs(40), Duration::from_secs(41)];
    assert_eq!(after(When::Always, Outcome::Exited(1), past).1, [Action::TellRestart(Duration::from_secs(1))]);
}

#[test]
fn one_that_starts_without_end_keeps_no_record_without_end() {
    let (stop, restart) = (stop(Wait::Main), Restart { limit: None, ..restart(When::Always) });
    let rules = Rules { stop: &stop, restart: &restart, success: &Success::default(), ready_within: None, tty: false };
    let mut state = as_ready(RUNNING);
    for _ in 0..10_000 {
        for event in [Event::MainEnded(Outcome::Exited(1)), Event::JailGone] {
            state = next(rules, state, event, AT).0;
        }
        for event in [Event::Time, Event::Built] {
            state = next(rules, state, event, AT + Duration::from_secs(3)).0;
        }
    }
    assert_eq!((state.stage, state.past.restarts), (RUNNING, 10_000));
    assert!(state.past.recent.len() <= COUNTED);
}

#[test]
fn what_is_not_ready_in_time_is_killed_and_no_signal_of_ours_ended_it() {
    let (stop, restart) = (stop(Wait::Main), restart(When::OnFailure));
    let rules = Rules {
        stop: &stop,
        restart: &restart,
        success: &Success::default(),
        ready_within: Some(Duration::from_secs(7)),
        tty: false,
    };
    let (state, _) = next(rules, State::new(), Event::Built, AT);
    assert_eq!(state.stage, Stage::Starting { deadline: Duration::from_secs(107) });
    let (late, actions) = next(rules, state.clone(), Event::Time, Duration::from_secs(107));
    assert_eq!(actions, [Action::TellLate, Action::Kill]);
    assert!(!late.past.ready);
    let (ready, actions) = next(rules, state, Event::Ready, Duration::from_secs(107));
    assert_eq!((ready, actions), (as_ready(RUNNING), vec![Action::TellReady]));
}

proptest! {
    /// Whatever happens in whatever order: a jail that was told to stop is killed by its deadline, one that is gone has ended,
    /// and neither is started again.
    #[test]
    fn a_stop_always_comes_to_an_end(events in proptest::collection::vec((0u8..9, 1i32..32, any::<bool>()), 0..40)) {
        let (stop, restart) = (stop(Wait::All), restart(When::Always));
        let rules =
            Rules { stop: &stop, restart: &restart, success: &Success::default(), ready_within: Some(Duration::from_secs(2)), tty: false };
        let mut state = State::new();
        let mut now = Duration::ZERO;
        for (kind, number, by_kernel) in events {
            now += Duration::from_millis(700);
            let event = match kind {
                0 => Event::MainEnded(Outcome::Exited(number)),
                1 => Event::Time,
                2 => Event::Built,
                3 => Event::Failed,
                4 => Event::Ready,
                5 => Event::JailGone,
                _ => Event::Signal { signal: number, by_kernel },
            };
            let before = state.stage;
            let (after, actions) = next(rules, state, event, now);
            prop_assert!(actions.len() <= 2);
            if matches!(before, Stage::Stopping { .. }) {
                let revived = matches!(after.stage, Stage::Running { .. } | Stage::Building | Stage::Waiting { .. });
                prop_assert!(!revived, "{:?}", after);
            }
            state = after;
        }
        let (state, _) = next(rules, state, sent(signal::TERM), now);
        let (state, _) = next(rules, state, Event::Time, now + Duration::from_secs(11));
        prop_assert!(matches!(state.stage, Stage::Killed { told: true, .. } | Stage::Ended(_)), "{:?}", state);
        let (state, _) = next(rules, state, Event::JailGone, now);
        prop_assert!(matches!(state.stage, Stage::Ended(_)));
    }
}
