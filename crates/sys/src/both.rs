//! Calls that are the same on every system we run on.

pub mod exec;
pub mod process;
pub mod signal;
pub mod start;
