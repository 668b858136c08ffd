//! musl's rules, asked of its loader.

use std::os::unix::fs::symlink;

use thinjail_tests::need;

use super::set::{MUSL, Set, object};

#[test]
fn rpath_and_runpath_go_up_the_chain_of_loaders() {
    let set = need!(Set::new(MUSL));
    set.program("main", &object().needs("liba.so").runpath("@/n"));
    set.library("n/liba.so", &object().needs("libb.so").rpath("@/r"));
    set.library("r/libb.so", &object().needs("libc1.so").needs("libd.so"));
    set.libraries(&["n/libc1.so", "r/libd.so", "n/libd.so"]);
    assert_eq!(set.same("main"), ["n/liba.so", "r/libb.so", "n/libc1.so", "r/libd.so"]);
}

#[test]
fn library_path_comes_before_all() {
    let mut set = need!(Set::new(MUSL));
    set.program("main", &object().needs("liba.so").rpath("@/r"));
    set.libraries(&["r/liba.so", "l/liba.so"]);
    set.env("LD_LIBRARY_PATH", "@/none:@/l");
    assert_eq!(set.same("main"), ["l/liba.so"]);
}

#[test]
fn sonames_do_not_count_but_files_do() {
    let set = need!(Set::new(MUSL));
    set.program(
        "main",
        &object().needs("libx.so").needs("liby.so").needs("@/n/libx.so").needs("libz9.so").rpath("@/n"),
    );
    set.library("n/libx.so", &object().soname("liby.so"));
    set.libraries(&["n/liby.so"]);
    symlink("liby.so", set.dir.at("n/libz9.so")).unwrap();
    assert_eq!(set.same("main"), ["n/libx.so", "n/liby.so"]);
}

#[test]
fn origin_is_the_only_token() {
    let set = need!(Set::new(MUSL));
    set.program("bin/main", &object().needs("liba.so").needs("libb.so").runpath("$ORIGIN/../n:${ORIGIN}/m"));
    set.libraries(&["n/liba.so", "bin/m/libb.so"]);
    assert_eq!(set.same("bin/main"), ["bin/../n/liba.so", "bin/m/libb.so"]);
    set.program("bin/other", &object().needs("liba.so").runpath("$ORIGIN/../n:@/$LIB"));
    assert_eq!(set.find("bin/other").missing.len(), 1, "another token spoils the whole path");
    assert!(!set.trace("bin/other").status.success());
}

#[test]
fn a_library_of_libc_is_the_interpreter() {
    let set = need!(Set::new(MUSL));
    set.program("main", &object().needs("libc.so").needs("libpthread.so.0").needs("libm.so.6").rpath("@/n"));
    set.libraries(&["n/libpthread.so.0", "n/libm.so.6"]);
    assert_eq!(set.same("main"), [""; 0]);
}
