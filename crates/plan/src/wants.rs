//! Spec -> what to ask of the host.
use crate::facts::{SystemKind, Wants};
use crate::spec::Spec;

/// Everything that `resolve` will need to know, and nothing else.
#[must_use]
pub fn wants(_spec: &Spec, _system: SystemKind) -> Wants {
    Wants::default()
}
