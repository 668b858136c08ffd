//! Any bytes as the first line of a script, and what it gives to env(1).
#![no_main]

use libfuzzer_sys::fuzz_target;
use thinjail_closure::script::{env, parse};
use thinjail_fuzz::bounded;

fuzz_target!(|data: &[u8]| {
    bounded(data.len(), 8192, 128, || {
        if let Some(shebang) = parse(data) {
            assert!(!shebang.interpreter.is_empty() && !shebang.interpreter.contains(['\n', '\0', ' ', '\t']));
            let _ = env(shebang.argument.as_deref(), &|_| Some("value".into()));
        }
        if let Ok(text) = std::str::from_utf8(data) {
            let call = env(Some(text), &|name| (name.len() < 4).then(|| name.into()));
            assert!(call.program.is_none_or(|program| program.len() <= data.len()));
        }
    });
});
