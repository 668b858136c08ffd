//! Our chores.
fn main() {}
