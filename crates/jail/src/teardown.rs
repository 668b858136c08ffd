//! Takes everything back, last first: the same code for a stop, for a failure, and for what another supervisor left.

use std::time::Duration;

use crate::journal::undo::Undo;
use crate::journal::{Entry, Journal};
use crate::look::Moment;
use crate::os::{End, Os, StepError};

/// How long what is in use is waited for: about a second in all, since a jail that was killed ends in its own time.
const PAUSES: [u64; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 300, 400];

/// Takes back what is still open in the journal, and with the mounts what lies on top of them. One undo that fails is told to
/// `left` and does not stop the others; it stays open, for the next start, stop or clean.
pub(crate) fn teardown<O: Os>(os: &mut O, journal: &mut Journal, end: End, left: &mut dyn FnMut(&StepError)) {
    let open = journal.open();
    let mut looked = false;
    for (number, entry) in &open {
        // Not sooner: what runs in a jail keeps its mounts busy, and the jail itself was made after them.
        if !looked && matches!(entry.undo, Undo::Unmount { .. }) {
            looked = true;
            strays(os, journal, end, left);
        }
        match undo(os, entry, end) {
            Ok(()) => journal.undone(*number),
            Err(error) => left(&error),
        }
    }
}

/// Takes back the mounts that no line tells of: of a step whose number was not known yet, or of somebody else. What stays of
/// them comes into the journal.
fn strays<O: Os>(os: &mut O, journal: &mut Journal, end: End, left: &mut dyn FnMut(&StepError)) {
    let strays = match os.strays() {
        Ok(strays) => strays,
        Err(error) => return left(&error),
    };
    let open = journal.open();
    for stray in strays.into_iter().filter(|stray| !open.iter().any(|(_, entry)| entry.undo == *stray)) {
        let entry = Entry { time: Moment::now(), undo: stray.clone(), open: true };
        if let Err(error) = undo(os, &entry, end) {
            left(&error);
            if let Err(error) = journal.will(stray) {
                left(&error.into());
            }
        }
    }
}

/// One of them: again while it is in use, and in the end by force.
fn undo<O: Os>(os: &mut O, entry: &Entry, end: End) -> Result<(), StepError> {
    for pause in PAUSES {
        match os.undo(entry, end, false) {
            Err(error) if error.is_busy() => os.pause(Duration::from_millis(pause)),
            other => return other,
        }
    }
    os.undo(entry, end, true)
}

#[cfg(test)]
mod tests;
