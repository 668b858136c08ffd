//! Words in, words out.
fn main() {}
