use std::cell::Cell;

use super::*;

const X86_64: u32 = 0x303;

fn cache() -> Cache {
    let entries = [("libc.so.6", "/lib/libc.so.6"), ("libx.so.10", "/x10"), ("libx.so.9", "/x9"), ("libX.so", "/X")];
    Cache::parse(write(&entries, X86_64, false), false)
}

/// A cache as ldconfig would make it, with a `hwcap` for every entry and the names of the levels.
fn with_hwcaps(entries: &[(&str, &str, u32, u64)], levels: &[&str]) -> Vec<u8> {
    let plain: Vec<_> =
        entries.iter().enumerate().map(|(at, (name, path, ..))| (format!("{name}{at}"), *path)).collect();
    assert!(!plain.is_empty());
    let start = HEADER + ENTRY * entries.len();
    let mut strings = Vec::new();
    let mut string = |text: &str| {
        let offset = (start + strings.len()) as u32;
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        offset.to_le_bytes()
    };
    let mut table = Vec::new();
    for &(name, path, flags, hwcap) in entries {
        table.extend_from_slice(&flags.to_le_bytes());
        table.extend_from_slice(&string(name));
        table.extend_from_slice(&string(path));
        table.extend_from_slice(&[0; 4]);
        table.extend_from_slice(&hwcap.to_le_bytes());
    }
    let levels: Vec<u8> = levels.iter().flat_map(|level| string(level)).collect();
    let extension = start + strings.len();
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    out.extend_from_slice(&(strings.len() as u32).to_le_bytes());
    out.extend_from_slice(&[2, 0, 0, 0]);
    out.extend_from_slice(&(extension as u32).to_le_bytes());
    out.extend_from_slice(&[0; 12]);
    out.extend_from_slice(&table);
    out.extend_from_slice(&strings);
    for word in [EXTENSION_MAGIC, 1, EXTENSION_HWCAPS, 0, extension as u32 + 24, levels.len() as u32] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&levels);
    out
}

#[test]
fn what_is_written_is_found() {
    let cache = cache();
    assert_eq!(cache.lookup("libc.so.6", X86_64, || &[]), Some("/lib/libc.so.6"));
    assert_eq!(cache.lookup("libx.so.10", X86_64, || &[]), Some("/x10"));
    assert_eq!(cache.lookup("libx.so.9", X86_64, || &[]), Some("/x9"));
    assert_eq!(cache.lookup("libX.so", X86_64, || &[]), Some("/X"));
    for none in ["", "a", "libx.so.11", "libx.so", "z"] {
        assert_eq!(cache.lookup(none, X86_64, || &[]), None);
    }
}

#[test]
fn the_other_byte_order_is_written_and_read() {
    let bytes = write(&[("libc.so.6", "/lib/libc.so.6")], 0x403, true);
    assert_eq!(Cache::parse(bytes.clone(), true).lookup("libc.so.6", 0x403, || &[]), Some("/lib/libc.so.6"));
    assert_eq!(Cache::parse(bytes, false).lookup("libc.so.6", 0x403, || &[]), None);
}

#[test]
fn the_first_of_two_paths_for_a_soname_counts() {
    let cache = Cache::parse(write(&[("a", "/first"), ("b", "/b"), ("a", "/second")], X86_64, false), false);
    assert_eq!((cache.count, cache.lookup("a", X86_64, || &[])), (2, Some("/first")));
}

#[test]
fn entries_of_other_machines_are_passed_over() {
    let cache = cache();
    assert_eq!(cache.lookup("libc.so.6", 0x3, || &[]), None);
    let both = with_hwcaps(&[("a", "/64", X86_64, 0), ("a", "/32", 3, 0)], &[]);
    let both = Cache::parse(both, false);
    assert_eq!((both.lookup("a", 3, || &[]), both.lookup("a", X86_64, || &[])), (Some("/32"), Some("/64")));
}

#[test]
fn an_exact_entry_is_preferred_to_one_for_any_elf() {
    let cache = Cache::parse(with_hwcaps(&[("a", "/any", 1, 0), ("a", "/exact", X86_64, 0)], &[]), false);
    assert_eq!(cache.lookup("a", X86_64, || &[]), Some("/exact"));
    assert_eq!(cache.lookup("a", 0xa03, || &[]), Some("/any"));
}

#[test]
fn the_best_level_of_the_processor_is_taken() {
    let named = |index| HWCAP_NAMED | 3 << 32 | index;
    let entries = [("a", "/v2", X86_64, named(0)), ("a", "/v3", X86_64, named(1)), ("a", "/plain", X86_64, 0)];
    let cache = Cache::parse(with_hwcaps(&entries, &["x86-64-v2", "x86-64-v3"]), false);
    let lookup = |levels: &[&str]| {
        let levels: Vec<String> = levels.iter().map(|&level| level.into()).collect();
        cache.lookup("a", X86_64, || &levels)
    };
    assert_eq!(lookup(&["x86-64-v4", "x86-64-v3", "x86-64-v2"]), Some("/v3"));
    assert_eq!(lookup(&["x86-64-v2"]), Some("/v2"));
    assert_eq!(lookup(&[]), Some("/plain"));
    let plain = Cache::parse(with_hwcaps(&[("b", "/b", X86_64, 0)], &["x86-64-v2"]), false);
    let asked = Cell::new(false);
    let levels = || {
        asked.set(true);
        &[][..]
    };
    assert_eq!((plain.lookup("b", X86_64, levels), asked.get()), (Some("/b"), false));
}

#[test]
fn entries_of_the_time_before_glibc_2_37_are_passed_over() {
    let cache = Cache::parse(with_hwcaps(&[("a", "/tls", X86_64, 1 << 63), ("a", "/plain", X86_64, 0)], &[]), false);
    assert_eq!(cache.lookup("a", X86_64, || &[]), Some("/plain"));
}

#[test]
fn the_old_format_is_read_and_the_newer_behind_it_preferred() {
    let mut old = OLD_MAGIC.to_vec();
    old.push(0);
    for word in [1u32, X86_64, 0, 2] {
        old.extend_from_slice(&word.to_le_bytes());
    }
    let alone = [&old[..], b"a\0/old\0"].concat();
    assert_eq!(Cache::parse(alone, false).lookup("a", X86_64, || &[]), Some("/old"));
    // 28 bytes are padded to 32.
    let both = [&old[..], &[0; 4], &write(&[("a", "/new")], X86_64, false)].concat();
    assert_eq!(Cache::parse(both, false).lookup("a", X86_64, || &[]), Some("/new"));
}

#[test]
fn a_damaged_cache_is_an_empty_one() {
    let good = write(&[("libc.so.6", "/lib/libc.so.6")], X86_64, false);
    for len in 0..good.len() - 1 {
        assert_eq!(Cache::parse(good[..len].to_vec(), false).lookup("libc.so.6", X86_64, || &[]), None, "{len} bytes");
    }
    let mut many = good.clone();
    many[20..24].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(Cache::parse(many, false).count, 0);
    let mut far = good;
    far[HEADER + 8..HEADER + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(Cache::parse(far, false).lookup("libc.so.6", X86_64, || &[]), None);
}

#[test]
fn names_are_sorted_with_their_numbers() {
    let order = |left: &str, right: &str| compare(left.as_bytes(), right.as_bytes());
    assert_eq!(order("libx.so.10", "libx.so.9"), Ordering::Greater);
    assert_eq!(order("libx.so.09", "libx.so.9"), Ordering::Equal);
    assert_eq!(order("lib1", "liba"), Ordering::Greater);
    assert_eq!(order("liba", "lib1"), Ordering::Less);
    assert_eq!(order("lib", "libc"), Ordering::Less);
    assert_eq!(order("libz", "liba"), Ordering::Greater);
}

#[test]
fn of_two_caches_the_first_counts_and_one_of_another_machine_does_not() {
    let first = write(&[("libc.so.6", "/lib/libc.so.6"), ("libz.so.1", "/lib/libz.so.1")], X86_64, false);
    let second = write(&[("libc.so.6", "/other/libc.so.6"), ("libssl.so.3", "/lib/libssl.so.3")], X86_64, false);
    let both = Cache::parse(merge(&first, &second), false);
    let found = ["libc.so.6", "libz.so.1", "libssl.so.3", "libx.so"].map(|name| both.lookup(name, X86_64, || &[]));
    assert_eq!(found, [Some("/lib/libc.so.6"), Some("/lib/libz.so.1"), Some("/lib/libssl.so.3"), None]);
    let strange = write(&[("libssl.so.3", "/lib/libssl.so.3")], 0x3, false);
    assert_eq!(merge(&first, &strange), first);
    assert_eq!(merge(&first, b"no cache"), first);
    assert_eq!(merge(b"", &first), b"");
}

#[test]
fn names_are_in_one_order_whether_all_of_them_is_looked_at_or_not() {
    let names: [&[u8]; 22] = [
        b"",
        b"a",
        b"a1",
        b"a01",
        b"a10",
        b"a9",
        b"a9b",
        b"a10b",
        b"ab",
        b"a.so.1",
        b"a.so.1.2",
        b"a.so.2",
        b"a.so.10",
        b"1",
        b"01",
        b"a99999999999",
        b"a999999999991",
        b"a\0",
        b"a\0b",
        b"a1\0",
        b"\xff",
        b"a\xff",
    ];
    for key in names.iter().filter(|key| !key.contains(&0)) {
        let bytes = [b"x", *key, b"\0b"].concat();
        let cache = Cache { bytes, ..Cache::default() };
        for name in names {
            assert_eq!(cache.order(name, 1), Some(compare(name, key)), "{name:?} {key:?}");
        }
    }
    assert_eq!(Cache { bytes: b"xab".to_vec(), ..Cache::default() }.order(b"ab", 1), None, "it has no end");
}
