//! Any bytes as ld.so.conf, by themselves and in a walk that lacks a library, and as a pattern and a name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thinjail_closure::closure::{Finder, Objects, Request, System};
use thinjail_closure::hints::ld_so_conf::{Line, fits, lines};
use thinjail_closure::tree::MemTree;
use thinjail_fuzz::{Watched, bounded, glibc_program};

fuzz_target!(|data: &[u8]| {
    let mut tree = MemTree::new();
    let (program, interpreter, library) = glibc_program();
    tree.file("/bin/x", &program).file(interpreter, &library).file("/opt/lib/liba.so", &library);
    tree.file("/etc/ld.so.conf", data).file("/etc/x.conf", data).link("/etc/y.conf", "../../x/../etc/ld.so.conf");
    bounded(data.len(), 128 << 10, 1024, || {
        for line in lines(data) {
            match line {
                Line::Directory(path) => assert!(path.starts_with('/') && !path.ends_with('/')),
                Line::Include(path) => assert!(!path.is_empty()),
            }
        }
        if let Some((pattern, name)) = std::str::from_utf8(data).ok().and_then(|text| text.split_once('\n')) {
            let _ = fits(pattern, name);
            assert!(fits("*", name) || name.starts_with('.'));
        }
        let closure = Finder::new(&Watched(&tree), System::default(), Objects::default()).find(&Request::new("/bin/x"));
        assert!(closure.is_ok_and(|closure| closure.members.len() == 2 && closure.missing.len() == 1));
    });
});
