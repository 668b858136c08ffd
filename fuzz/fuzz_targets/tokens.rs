//! Any text with `$ORIGIN` and its like.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thinjail_closure::tokens::{Token, expand};
use thinjail_fuzz::bounded;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let tokens = [
        Token { name: "ORIGIN", value: Some("/app") },
        Token { name: "LIB", value: Some("lib64") },
        Token { name: "PLATFORM", value: None },
    ];
    bounded(data.len(), 4096, 8, || {
        if let Some(expanded) = expand(text, &tokens) {
            assert!(text.contains('$') || expanded.text == text);
        }
    });
});
