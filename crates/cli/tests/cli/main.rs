//! The binary as its user meets it: what is wrong is said once, in one block, with the documented exit code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod completions;
mod doctor;
mod faults;
mod flags;
mod layers;
mod ldd;
mod profiles;
mod programs;
mod run_thinjail;
mod schema;
mod scratch;
mod verbs;
