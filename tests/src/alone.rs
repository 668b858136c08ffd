//! One at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by a test that looks at the whole host or listens on a well-known port: no other such test runs meanwhile.
#[derive(Debug)]
pub struct Alone(#[expect(dead_code, reason = "held, not read")] MutexGuard<'static, ()>);

/// Waits for the others to end.
#[must_use]
pub fn alone() -> Alone {
    static ONE: Mutex<()> = Mutex::new(());
    // A test that failed under the lock has taken its jail down with it.
    Alone(ONE.lock().unwrap_or_else(PoisonError::into_inner))
}
