//! A chain of thousands.

use std::fs;
use std::time::Instant;

use thinjail_tests::figures::show;
use thinjail_tests::need;

use super::set::{GLIBC, Set, object};

#[test]
fn five_thousand_libraries_in_a_chain_are_the_loaders() {
    const COUNT: usize = 5000;
    let set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("lib00000.so").rpath("@/r"));
    set.library("r/lib00000.so", &object().soname("lib00000.so").needs("lib00001.so"));
    let first = fs::read(set.dir.at("r/lib00000.so")).unwrap();
    // One linked file, with other numbers in its names.
    let places = |name: &[u8]| -> Vec<usize> { memchr::memmem::find_iter(&first, name).collect() };
    let (own, next) = (places(b"lib00000.so"), places(b"lib00001.so"));
    assert!(!own.is_empty() && !next.is_empty());
    for number in 0..COUNT {
        let mut bytes = first.clone();
        for (places, number) in [(&own, number), (&next, (number + 1) % COUNT)] {
            for &at in places {
                bytes[at..at + 11].copy_from_slice(format!("lib{number:05}.so").as_bytes());
            }
        }
        fs::write(set.dir.at(&format!("r/lib{number:05}.so")), bytes).unwrap();
    }
    let start = Instant::now();
    let closure = set.find("main");
    show(&format!("a chain of {} members in {:?}", closure.members.len(), start.elapsed()));
    assert_eq!(closure.members.len(), COUNT + 2);
    assert_eq!(set.ours(&closure), set.theirs(&set.trace("main")));
}
