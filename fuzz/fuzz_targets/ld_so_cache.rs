//! Any bytes as /etc/ld.so.cache, asked for names that are in it and for one that is not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thinjail_closure::hints::ld_so_cache::Cache;
use thinjail_fuzz::bounded;

fuzz_target!(|data: &[u8]| {
    let names: Vec<&str> = data.split(|&byte| byte == 0).filter_map(|name| std::str::from_utf8(name).ok()).collect();
    let levels = ["x86-64-v3".to_owned(), "x86-64-v2".to_owned()];
    bounded(data.len(), 8192, 8, || {
        for big_endian in [false, true] {
            let cache = Cache::parse(data.to_vec(), big_endian);
            for name in names.iter().take(64).chain(&["libc.so.6", ""]) {
                if let Some(path) = cache.lookup(name, 0x303, || &levels) {
                    let there = |part: &[u8]| part.starts_with(path.as_bytes());
                    assert!((0..data.len()).any(|at| there(&data[at..])), "{path:?} is not in there");
                }
            }
        }
    });
});
