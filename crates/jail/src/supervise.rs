//! From the program's start to the jail's end: what is to be done at each event. Pure; the loop around it is each system's.

pub(crate) mod machine;
