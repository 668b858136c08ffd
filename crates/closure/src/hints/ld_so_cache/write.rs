//! Makes a cache for the inside of a jail, where the loader repeats its search.

use super::{Cache, ENTRY, HEADER, MAGIC, compare};

/// A cache that leads the loader from each soname to its path. `flags` are [`super::flags`] of the machine. Where a soname
/// comes twice, its first path counts.
///
/// What glibc-hwcaps directory a library stands in need not be said: the one in the jail is the one to take.
#[must_use]
pub fn write<S: AsRef<str>, P: AsRef<str>>(entries: &[(S, P)], flags: u32, big_endian: bool) -> Vec<u8> {
    let mut entries: Vec<(&str, &str)> = entries.iter().map(|(name, path)| (name.as_ref(), path.as_ref())).collect();
    // The names go down; a stable sort keeps the first of two.
    entries.sort_by(|(left, _), (right, _)| compare(right.as_bytes(), left.as_bytes()));
    entries.dedup_by(|(name, _), (kept, _)| name == kept);

    let mut strings: Vec<u8> = Vec::new();
    let start = HEADER + ENTRY * entries.len();
    let mut string = |text: &str| {
        let offset = start + strings.len();
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        offset as u32
    };
    let number = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };

    let mut table: Vec<u8> = Vec::with_capacity(ENTRY * entries.len());
    for (name, path) in &entries {
        let (key, value) = (string(name), string(path));
        for field in [flags, key, value, 0, 0, 0] {
            table.extend_from_slice(&number(field));
        }
    }
    let mut out = Vec::with_capacity(start + strings.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&number(entries.len() as u32));
    out.extend_from_slice(&number(strings.len() as u32));
    out.extend_from_slice(&[if big_endian { 3 } else { 2 }, 0, 0, 0]);
    // No extension, and three unused words.
    out.extend_from_slice(&[0; 16]);
    out.extend_from_slice(&table);
    out.extend_from_slice(&strings);
    out
}

/// One cache of two that [`write()`] has made. Where both have a soname the first counts, and where they are of different
/// machines the first is all there is.
#[must_use]
pub fn merge(first: &[u8], second: &[u8]) -> Vec<u8> {
    let big_endian = first.get(28).is_some_and(|order| order & 3 == 3);
    let caches = [first, second].map(|bytes| Cache::parse(bytes.to_vec(), big_endian));
    let [flags, other] = caches.each_ref().map(|cache| cache.u32(cache.place(0)));
    let Some(flags) = flags.filter(|flags| Some(*flags) == other) else { return first.to_vec() };
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(String::from);
    let entry = |cache: &Cache, at: usize| {
        let name = text(cache.string(cache.key(at)?)?)?;
        Some((name, text(cache.usable(at, flags)?.1)?))
    };
    let entries: Vec<_> = caches.iter().flat_map(|cache| (0..cache.count).filter_map(|at| entry(cache, at))).collect();
    write(&entries, flags, big_endian)
}
