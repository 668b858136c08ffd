//! ld.so.cache, whole and damaged, in a chroot(2) of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use thinjail_closure::closure::{Closure, Request, System, find};
use thinjail_closure::hints::ld_so_cache;
use thinjail_closure::tree::DirTree;
use thinjail_tests::figures::show;
use thinjail_tests::{need, skip};

use super::set::{GLIBC, Set, object};

/// A program whose libraries only a cache can find, and a second choice of one of them in a default directory.
fn root(set: &Set, busybox: &Path) {
    set.program("main", &object().needs("liba.so.1").needs("libb.so.2").needs("libc1.so.10"));
    set.libraries(&["odd/liba.so.1", "odd/libb.so.2", "odd/libc1.so.10", "lib/libb.so.2", "lib64/none.so"]);
    fs::copy(GLIBC.interpreter, set.dir.path().join(&GLIBC.interpreter[1..])).unwrap();
    fs::copy(busybox, set.dir.path().join("busybox")).unwrap();
    set.dir.dir("etc");
}

fn ours(set: &Set) -> Vec<String> {
    let tree = DirTree::open_root(set.dir.path()).unwrap();
    let mut request = Request::new("/main");
    request.implied = false;
    let closure: Closure = find(&tree, System::running(0), &request).unwrap();
    set.ours(&closure)
}

/// chroot(8) itself must not be traced.
fn trace(chroot: &Path, set: &Set) -> Output {
    let mut command = Command::new(chroot);
    let inside = ["/busybox", "env", "LD_TRACE_LOADED_OBJECTS=1", "/main"];
    command.arg(set.dir.path()).args(inside).env_clear().output().unwrap()
}

const ENTRIES: [(&str, &str); 5] = [
    ("liba.so.1", "/odd/liba.so.1"),
    ("libb.so.2", "/odd/libb.so.2"),
    ("libc1.so.2", "/odd/none"),
    ("libc1.so.10", "/odd/libc1.so.10"),
    ("libd.so", "/odd/none"),
];

#[test]
fn a_damaged_cache_is_read_as_the_loader_reads_it() {
    need!(skip::root());
    let chroot = need!(skip::program("chroot"));
    let busybox = need!(skip::program("busybox"));
    let set = need!(Set::new(GLIBC));
    root(&set, &busybox);
    let good = ld_so_cache::write(&ENTRIES, 0x303, false);
    let mut caches = vec![good.clone(), Vec::new()];
    caches.extend((1..good.len()).step_by(23).map(|len| good[..len].to_vec()));
    // Magic, count, size of strings, flags, extension; then fields of entries.
    for at in [0, 16, 19, 20, 21, 23, 24, 28, 32, 48, 50, 52, 56, 60, 64, 70, 72, 76, 96, 100, 120, 124, 144] {
        for value in [0x00, 0x01, 0x7f, 0xff] {
            let mut bad = good.clone();
            bad[at] = value;
            caches.push(bad);
        }
    }
    let (mut same, mut crashed) = (0, 0);
    for cache in caches {
        fs::write(set.dir.path().join("etc/ld.so.cache"), &cache).unwrap();
        let ours = ours(&set);
        let output = trace(&chroot, &set);
        // The loader trusts root's file; some damage kills it, which is no answer.
        if output.status.code().is_none_or(|code| code > 127) {
            crashed += 1;
            continue;
        }
        let theirs: Vec<String> = set.theirs(&output).iter().map(|path| path.trim_start_matches('/').into()).collect();
        let ours: Vec<String> = ours.iter().map(|path| path.trim_start_matches('/').into()).collect();
        assert_eq!(ours, theirs, "{cache:x?}");
        same += 1;
    }
    show(&format!("{same} caches are read alike, of {crashed} the loader dies"));
    assert!(same > 60 && crashed < 20);
}

#[test]
fn a_cache_of_ldconfig_with_subdirectories_is_read_as_the_loader_reads_it() {
    need!(skip::root());
    let chroot = need!(skip::program("chroot"));
    let ldconfig = need!(skip::program("ldconfig"));
    let busybox = need!(skip::program("busybox"));
    let set = need!(Set::new(GLIBC));
    root(&set, &busybox);
    for place in ["odd/glibc-hwcaps/x86-64-v2", "odd/glibc-hwcaps/x86-64-v3", "odd/tls", "odd/x86_64", "odd/haswell"] {
        let object = |name: &str| object().soname(name);
        set.library(&format!("{place}/libb.so.2"), &object("libb.so.2"));
        if !place.contains("hwcaps") {
            set.library(&format!("{place}/libc1.so.10"), &object("libc1.so.10"));
        }
    }
    for name in ["liba.so.1", "libb.so.2", "libc1.so.10"] {
        set.library(&format!("odd/{name}"), &object().soname(name));
    }
    set.dir.file("etc/ld.so.conf", "/odd\n");
    for format in ["new", "compat", "old"] {
        let root = set.dir.path();
        let made = Command::new(&ldconfig).args(["-X", "-c", format, "-r"]).arg(root).status().unwrap();
        assert!(made.success());
        let (ours, theirs) = (ours(&set), set.theirs(&trace(&chroot, &set)));
        assert_eq!(ours, theirs, "format {format}");
        assert_eq!(ours.len(), 3);
    }
}
