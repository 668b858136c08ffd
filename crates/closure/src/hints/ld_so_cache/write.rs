//! Makes a cache for the inside of a jail, where the loader repeats its search.

use super::{ENTRY, HEADER, MAGIC, compare};

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
