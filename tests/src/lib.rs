//! System tests: what they share. The tests themselves are in `tests/`.

pub mod binary;
pub mod skip;
