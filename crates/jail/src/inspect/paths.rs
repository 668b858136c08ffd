//! Paths, followed to their end.

use thinjail_closure::tree::{ResolveError, Resolver};
use thinjail_plan::facts::PathFact;
use thinjail_plan::path::HostPath;

/// What is at a path.
pub(super) fn path(resolver: &mut Resolver<'_>, path: &HostPath) -> PathFact {
    match resolver.resolve(path.as_ref()) {
        Ok(resolved) => PathFact::Found(resolved),
        Err(ResolveError::Missing { at, parent }) => match HostPath::from_path(&at) {
            Ok(at) => PathFact::Missing { at, parent },
            Err(error) => PathFact::Refused { why: error.to_string() },
        },
        Err(error) => PathFact::Refused { why: why(&error) },
    }
}

/// An error and all that lies under it, in one line: facts are text.
pub(super) fn why(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text += ": ";
        text += &cause.to_string();
        next = cause.source();
    }
    text
}
