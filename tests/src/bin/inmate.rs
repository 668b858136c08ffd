//! Does in a jail what no program of a small base system does alike on Linux and FreeBSD.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    thinjail_tests::inmate::run(&words)
}
