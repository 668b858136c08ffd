//! Any bytes as musl's path file, read by a walk whose only other files are a program and the interpreter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thinjail_closure::closure::{Finder, Objects, Request, System};
use thinjail_closure::hints::musl_path::place;
use thinjail_closure::tree::MemTree;
use thinjail_fuzz::{Watched, bounded, musl_program};

fuzz_target!(|data: &[u8]| {
    let mut tree = MemTree::new();
    let (program, interpreter, libc) = musl_program();
    tree.file("/bin/x", &program).file(interpreter, &libc).file("/etc/ld-musl-x86_64.path", data);
    bounded(data.len(), 64 << 10, 512, || {
        if let Ok(text) = std::str::from_utf8(data) {
            let _ = place(text.as_ref());
        }
        let closure = Finder::new(&Watched(&tree), System::default(), Objects::default()).find(&Request::new("/bin/x"));
        assert!(closure.is_ok_and(|closure| closure.members.len() == 2 && closure.missing.len() == 1));
    });
});
