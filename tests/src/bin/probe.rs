//! Walks the tree it stands in. Static, so that it brings nothing of its own into a jail.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    thinjail_tests::probe::run(std::env::args().nth(1).as_deref())
}
