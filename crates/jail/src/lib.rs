//! Inspects the host, applies a plan, supervises, tears down.

pub mod run;
