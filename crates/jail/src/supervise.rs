//! From the program's start to the jail's end, and to the next start: what is to be done at each event is pure; the loop around it
//! is each system's.

pub(crate) mod log;
pub(crate) mod machine;
pub(crate) mod reload;
pub(crate) mod service;
pub(crate) mod socket;
pub(crate) mod words;
