//! glibc's rules, asked of its loader.

use std::fs;
use std::os::unix::fs::symlink;

use thinjail_closure::machine::Cpu;
use thinjail_tests::need;

use super::set::{GLIBC, Set, object};

#[test]
fn rpath_goes_up_the_chain_of_loaders() {
    let set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("liba.so").rpath("@/r"));
    set.library("r/liba.so", &object().needs("libb.so").rpath("@/a"));
    set.library("a/libb.so", &object().needs("libc1.so").needs("libd.so"));
    set.libraries(&["r/libc1.so", "a/libc1.so", "r/libd.so"]);
    assert_eq!(set.same("main"), ["r/liba.so", "a/libb.so", "a/libc1.so", "r/libd.so"]);
}

#[test]
fn an_object_with_runpath_has_no_use_for_rpaths_above() {
    let set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("liba.so").rpath("@/r"));
    set.library("r/liba.so", &object().needs("libb.so").runpath("@/none"));
    set.libraries(&["r/libb.so"]);
    assert_eq!(set.same("main"), ["r/liba.so", "?libb.so"]);
}

#[test]
fn runpath_is_not_inherited() {
    let set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("liba.so").runpath("@/n"));
    set.library("n/liba.so", &object().needs("libb.so"));
    set.libraries(&["n/libb.so"]);
    assert_eq!(set.same("main"), ["n/liba.so", "?libb.so"]);
}

#[test]
fn library_path_comes_after_rpath_and_before_runpath() {
    let mut set = need!(Set::new(GLIBC));
    set.env("LD_LIBRARY_PATH", "@/none;@/l");
    set.program("old", &object().needs("liba.so").rpath("@/r"));
    set.program("new", &object().needs("liba.so").runpath("@/r"));
    set.libraries(&["r/liba.so", "l/liba.so"]);
    assert_eq!(set.same("old"), ["r/liba.so"]);
    assert_eq!(set.same("new"), ["l/liba.so"]);
}

#[test]
fn nodeflib_shuts_out_default_directories_and_what_the_cache_knows_of_them() {
    let set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("libc.so.6").option(&["-z", "nodefaultlib"]));
    set.program("free", &object().needs("libc.so.6"));
    assert_eq!(set.same("main"), ["?libc.so.6"]);
    assert_eq!(set.same("free").len(), 1);
}

#[test]
fn hwcaps_directories_of_the_processor_come_first() {
    let mut set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("liba.so").needs("libb.so").needs("libz9.so").runpath("@/n"));
    set.libraries(&["n/liba.so", "n/glibc-hwcaps/x86-64-v2/liba.so", "n/glibc-hwcaps/x86-64-v9/libb.so", "n/libb.so"]);
    set.libraries(&["n/glibc-hwcaps/x86-64-v3/liba.so", "n/glibc-hwcaps/x86-64-v4/liba.so", "l/libz9.so"]);
    set.libraries(&["l/glibc-hwcaps/x86-64-v2/libz9.so"]);
    set.env("LD_LIBRARY_PATH", "@/l");
    let found = set.same("main");
    let best = Cpu::running().hwcaps().first().map_or(String::new(), |level| format!("glibc-hwcaps/{level}/"));
    assert_eq!(found[0], format!("n/{best}liba.so"));
    assert_eq!(found[1], "n/libb.so");
}

/// Before glibc 2.37 there were more such directories, and the later loader passes them over. Ours does as the one at hand.
#[test]
fn hwcaps_directories_of_the_old_kind_count_for_an_old_loader() {
    let set = need!(Set::new(GLIBC));
    let places = ["tls", "x86_64", "haswell", "avx512_1", "xeon_phi", "tls/x86_64", "tls/haswell", "haswell/x86_64"];
    let deeper = ["tls/x86_64/x86_64", "tls/haswell/avx512_1/x86_64", "x86_64/x86_64", "haswell/avx512_1", "sse2"];
    let mut main = object().runpath("@/n:@/m");
    for (at, place) in places.iter().chain(&deeper).enumerate() {
        set.libraries(&[&format!("n/{place}/lib{at}.so"), &format!("n/lib{at}.so"), &format!("m/lib{at}.so")]);
        // All of them, the later ones in fewer places: which is the first that is taken?
        for other in places.iter().chain(&deeper).skip(at) {
            set.libraries(&[&format!("n/{other}/liball{at}.so")]);
        }
        set.libraries(&[&format!("m/liball{at}.so")]);
        main = main.needs(&format!("lib{at}.so")).needs(&format!("liball{at}.so"));
    }
    set.program("main", &main);
    assert_eq!(set.same("main").len(), 26);
}

#[test]
fn the_first_of_two_files_with_one_soname_serves_both() {
    let set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("@/one.so").needs("libx.so").needs("@/two.so").rpath("@/r"));
    set.library("one.so", &object().soname("libx.so"));
    set.library("two.so", &object().soname("libx.so").needs("libx.so"));
    set.libraries(&["r/libx.so"]);
    assert_eq!(set.same("main"), ["one.so", "two.so"]);
}

#[test]
fn the_first_finder_of_a_name_wins() {
    let set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("liba.so").needs("libb.so").runpath("@"));
    set.library("liba.so", &object().needs("libx.so").runpath("@/a"));
    set.library("libb.so", &object().needs("libx.so").runpath("@/b"));
    set.libraries(&["a/libx.so", "b/libx.so"]);
    assert_eq!(set.same("main"), ["liba.so", "libb.so", "a/libx.so"]);
}

#[test]
fn a_file_by_two_names_is_loaded_once() {
    let set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("liba.so").needs("libb.so").needs("libc1.so").runpath("@/n"));
    set.library("n/liba.so", &object().needs("libd.so").runpath("@/d"));
    set.libraries(&["d/libd.so"]);
    symlink("liba.so", set.dir.at("n/libb.so")).unwrap();
    fs::hard_link(set.dir.at("n/liba.so"), set.dir.at("n/libc1.so")).unwrap();
    assert_eq!(set.same("main"), ["n/liba.so", "d/libd.so"]);
}

#[test]
fn a_file_of_another_class_is_passed_over() {
    let set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("liba.so").runpath("@/one:@/two:@/three"));
    set.narrow("one/liba.so");
    set.libraries(&["three/liba.so"]);
    assert_eq!(set.same("main"), ["three/liba.so"]);
}

#[test]
fn a_file_that_is_no_library_is_an_error_of_both() {
    for bytes in [&b"/* GNU ld script */ INPUT(liba.so.1)"[..], b"", b"\x7fELF", b"\x7fELF\x02\x01\x01"] {
        let set = need!(Set::new(GLIBC));
        set.program("main", &object().needs("liba.so").runpath("@/one:@/two"));
        set.libraries(&["two/liba.so"]);
        set.dir.dir("one");
        set.dir.file("one/liba.so", bytes);
        let missing = set.find("main").missing;
        assert_eq!(missing[0].refused[0].path.to_str(), Some(set.dir.at("one/liba.so").as_str()));
        assert!(!set.trace("main").status.success());
    }
}

#[test]
fn tokens_stand_for_the_same_in_every_form_and_place() {
    let mut set = need!(Set::new(GLIBC));
    let paths = "$ORIGIN/o:@/lib-$LIB:@/${LIB}:@/p/$PLATFORM:@/p/${PLATFORM}x:${ORIGIN}:@/$ORIGINAL:@/$none:@/$";
    set.program("bin/main", &object().needs("liba.so").needs("libb.so").needs("libc1.so").runpath(paths));
    set.program("bin/more", &object().needs("libd.so").needs("libe.so").needs("$ORIGIN/libf.so").runpath(paths));
    set.env("LD_LIBRARY_PATH", "@/l/$LIB:@/l/${PLATFORM}");
    let lib = "lib/x86_64-linux-gnu";
    set.libraries(&["bin/o/liba.so", &format!("lib-{lib}/libb.so"), &format!("{lib}/libc1.so")]);
    for platform in ["x86_64", "haswell", "xeon_phi"] {
        set.libraries(&[&format!("p/{platform}/libd.so"), &format!("p/{platform}x/libe.so")]);
        set.libraries(&[&format!("l/{platform}/libc1.so")]);
    }
    set.libraries(&["bin/libf.so", "$ORIGINAL/libe.so"]);
    symlink(set.dir.at("bin/main"), set.dir.at("link")).unwrap();
    assert_eq!(set.same("bin/main")[0], "bin/o/liba.so");
    assert_eq!(set.same("link").len(), 3);
    assert_eq!(set.same("bin/more").len(), 3);
}

#[test]
fn origin_of_a_library_is_where_it_was_opened() {
    let set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("@/opt/liba.so"));
    set.library("real/liba.so", &object().needs("libb.so").needs("$ORIGIN/../libc1.so").runpath("$ORIGIN/sub"));
    set.libraries(&["real/sub/libb.so", "opt/sub/libb.so", "libc1.so"]);
    symlink("../real/liba.so", set.dir.at("opt/liba.so")).unwrap();
    assert_eq!(set.same("main"), ["opt/liba.so", "opt/sub/libb.so", "opt/../libc1.so"]);
}

#[test]
fn an_empty_element_of_a_path_is_the_current_directory() {
    let mut set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("liba.so"));
    set.libraries(&["liba.so"]);
    for path in ["", ":", "/none:", ";/none", "."] {
        set.env("LD_LIBRARY_PATH", path);
        let (ours, theirs) = (set.find("main"), set.trace("main"));
        let missing = String::from_utf8(theirs.stdout).unwrap().contains("not found");
        assert_eq!(!ours.missing.is_empty(), missing, "{path:?}");
        assert_eq!(missing, path.is_empty(), "{path:?}");
    }
}

#[test]
fn auxiliary_and_filter_objects_come_with_who_names_them() {
    let set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("liba.so").needs("libb.so").rpath("@"));
    set.library("liba.so", &object().option(&["-f", "libaux.so"]).rpath("@/a"));
    set.library("libb.so", &object().needs("libz9.so").option(&["-F", "libfil.so"]).rpath("@/b"));
    set.library("libaux.so", &object().needs("libz9.so").rpath("@/x"));
    set.libraries(&["libfil.so", "a/libz9.so", "b/libz9.so", "x/libz9.so"]);
    let (mut ours, mut theirs) = (set.ours(&set.find("main")), set.theirs(&set.trace("main")));
    // The loader lists a filtee before the object, which it opened first.
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    assert!(ours.contains(&"x/libz9.so".to_owned()), "the needs of the filtee come first: {ours:?}");
}

#[test]
fn an_auxiliary_object_that_is_not_there_stops_nothing() {
    let set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("liba.so").rpath("@"));
    set.library("liba.so", &object().option(&["-f", "libaux.so"]));
    assert_eq!(set.ours(&set.find("main")), ["liba.so"]);
    assert!(set.trace("main").status.success());
}

#[test]
fn libraries_that_need_each_other_end() {
    let set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("liba.so").rpath("@"));
    set.library("liba.so", &object().needs("libb.so").needs("liba.so"));
    set.library("libb.so", &object().needs("liba.so"));
    assert_eq!(set.same("main"), ["liba.so", "libb.so"]);
}

#[test]
fn links_that_lead_to_each_other_end_a_search_path() {
    let mut set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("liba.so").runpath("@/one:@/two"));
    set.libraries(&["two/liba.so"]);
    set.dir.dir("one");
    symlink("libb.so", set.dir.at("one/liba.so")).unwrap();
    symlink("liba.so", set.dir.at("one/libb.so")).unwrap();
    assert_eq!(set.same("main"), ["?liba.so"], "it looks no further in this search path");
    set.env("LD_LIBRARY_PATH", "@/one");
    assert_eq!(set.same("main"), ["?liba.so"]);
    set.program("other", &object().needs("liba.so").runpath("@/two"));
    assert_eq!(set.same("other"), ["two/liba.so"], "but in the next one");
}

#[test]
fn preloads_come_before_all() {
    let mut set = need!(Set::new(GLIBC));
    set.program("main", &object().needs("liba.so").needs("libp.so").rpath("@/r"));
    set.library("p/libq.so", &object().needs("liba.so").runpath("@/q"));
    set.libraries(&["r/liba.so", "r/libp.so", "q/liba.so"]);
    set.env("LD_PRELOAD", "libp.so:@/p/libq.so libnone.so");
    assert_eq!(set.same("main"), ["r/libp.so", "p/libq.so", "r/liba.so"]);
}

#[test]
fn a_note_of_the_linker_is_read() {
    let set = need!(Set::new(GLIBC));
    let json = r#"[{"soname":["libnew.so","libold.so"],"priority":"required","feature":"x"}]"#;
    let source = format!(
        ".section .note.dlopen,\"a\",%note\n.balign 4\n.long 4,{},0x407c0c0a\n.asciz \"FDO\"\n.asciz \"{}\"\n.balign 4\n",
        json.len() + 1,
        json.replace('"', "\\\"")
    );
    let source = set.dir.file("note.s", source);
    let object_file = set.dir.at("note.o");
    let assembled = std::process::Command::new("as").arg(source).args(["-o", &object_file]).status().unwrap();
    assert!(assembled.success());
    set.program("main", &object().option(&[&object_file, "-rpath", "@/n"]));
    set.libraries(&["n/libold.so"]);
    assert_eq!(set.same("main"), [""; 0], "the loader knows nothing of it");
    let mut request = set.request("main");
    request.implied = true;
    let tree = thinjail_closure::tree::DirTree::host().unwrap();
    let found =
        thinjail_closure::closure::find(&tree, thinjail_closure::closure::System::running(0), &request).unwrap();
    assert_eq!(set.ours(&found), ["n/libold.so"]);
}
