//! Programs of 32 bits on a system of 64.

use thinjail_tests::need;

use super::set::{GLIBC_32, Set, object};

#[test]
fn a_program_of_32_bits_has_directories_and_a_platform_of_its_own() {
    let set = need!(Set::new(GLIBC_32));
    let main = object().needs("libc.so.6").needs("liba.so").needs("libb.so").needs("libd.so");
    set.program("main", &main.runpath("@/$LIB:@/$PLATFORM:@/n"));
    set.libraries(&["lib32/liba.so", "i686/libb.so", "n/libd.so", "n/glibc-hwcaps/x86-64-v2/libd.so"]);
    let found = set.same("main");
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(found[3], "n/libd.so");
}

#[test]
fn a_file_of_64_bits_is_passed_over() {
    let set = need!(Set::new(GLIBC_32));
    let wide = need!(Set::new(super::set::GLIBC));
    wide.libraries(&["liba.so"]);
    set.program("main", &object().needs("liba.so").runpath(&format!("{}:@/n", wide.dir.path().display())));
    set.libraries(&["n/liba.so"]);
    assert_eq!(set.same("main"), ["n/liba.so"]);
}
