//! The plain form: absolute paths, one a line, each once.

use std::collections::HashSet;
use std::ffi::OsString;

use thinjail_closure::closure::Closure;

use super::shown;

/// What is printed already.
#[derive(Default)]
pub(super) struct List(HashSet<OsString>);

impl List {
    /// The paths that no program before this one needed.
    pub(super) fn closure(&mut self, closure: &Closure) -> String {
        let mut text = String::new();
        for member in &closure.members {
            if !self.0.contains(member.path.as_os_str()) {
                self.0.insert(member.path.clone().into());
                text += &shown(&member.path);
                text.push('\n');
            }
        }
        text
    }
}
