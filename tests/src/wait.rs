//! Waiting for something to become true, never for a time to pass.

use std::time::{Duration, Instant};

/// Long enough for a busy machine; a test that gets here has failed.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// Asks again and again until there is an answer; none once the time is up.
pub fn poll<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + patience;
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// The same with [`PATIENCE`].
///
/// # Panics
///
/// If there is no answer in time; `what` says what was waited for.
#[track_caller]
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    poll(PATIENCE, ask).unwrap_or_else(|| panic!("waited {PATIENCE:?} in vain: {what}"))
}

/// [`until`] for a plain condition.
///
/// # Panics
///
/// If it does not hold in time.
#[track_caller]
pub fn until_true(what: &str, mut holds: impl FnMut() -> bool) {
    until(what, || holds().then_some(()));
}
