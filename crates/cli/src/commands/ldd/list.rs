//! The plain form: absolute paths, one a line, each once.

use std::collections::BTreeSet;
use std::ffi::OsString;

use thinjail_closure::closure::Closure;

use super::shown;

/// What is printed already.
pub(super) struct List {
    several: bool,
    printed: BTreeSet<OsString>,
}

impl List {
    pub(super) fn of(programs: usize) -> Self {
        Self { several: programs > 1, printed: BTreeSet::new() }
    }

    /// The paths that no program before this one needed.
    pub(super) fn closure(&mut self, closure: &Closure) -> String {
        let mut text = String::new();
        for member in &closure.members {
            // One program has each path once.
            if !self.several || self.printed.insert(member.path.clone().into()) {
                text += &shown(&member.path);
                text.push('\n');
            }
        }
        text
    }
}
