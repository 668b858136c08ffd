//! Any bytes as libmap.conf, and the question what each of its names stands for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thinjail_closure::hints::libmap::{LibMap, Line, lines, variable};
use thinjail_fuzz::bounded;

fuzz_target!(|data: &[u8]| {
    bounded(data.len(), 8192, 512, || {
        let mut map = LibMap::default();
        let mut constraint = None;
        let mut names = Vec::new();
        for line in lines(data) {
            match line {
                Line::Constraint(name) => constraint = Some(name),
                Line::Map(from, to) => {
                    map.add(constraint, from, to);
                    names.push((constraint.unwrap_or("/bin/x"), from));
                }
                Line::Include(path) | Line::IncludeDirectory(path) => assert!(!path.is_empty()),
            }
        }
        assert_eq!(map.is_empty(), names.is_empty());
        for (path, name) in names.iter().take(64) {
            map.find(path, name);
        }
        if let Ok(text) = std::str::from_utf8(data) {
            lines(variable(text).as_bytes()).count();
        }
    });
});
