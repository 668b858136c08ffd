//! pwd.db, the file that FreeBSD's getpwnam(3) reads: it never looks into /etc/passwd. What pwd_mkdb(8) would make of it: a hash
//! file of db(3), version 1.85, with each user by name, by number and by place.

use std::collections::BTreeSet;

use crate::facts::User;

/// Bytes of a page; pwd_mkdb(8) takes as many.
const PAGE: usize = 4096;
/// Most buckets: those of one segment, so that the table's directory has one entry.
const BUCKETS_MAX: usize = 256;

/// A key and its value.
type Pair = (Vec<u8>, Vec<u8>);

/// The file for these users; empty if there are more than would ever be written by hand.
pub(super) fn pwd_db<'u>(users: impl Iterator<Item = &'u User>) -> Vec<u8> {
    let pairs = pairs(users);
    let mut buckets = 1;
    while buckets <= BUCKETS_MAX {
        if let Some(pages) = pages(&pairs, buckets) {
            let mut file = header(buckets, pairs.len());
            file.extend(pages);
            return file;
        }
        buckets *= 2;
    }
    Vec::new()
}

/// As pwd_mkdb(8) numbers them, in version 4: integers are big-endian, and a key begins with what it is a key by.
fn pairs<'u>(users: impl Iterator<Item = &'u User>) -> Vec<Pair> {
    let mut pairs = vec![(b"\xffVERSION".to_vec(), vec![4])];
    let mut seen = BTreeSet::new();
    for (place, user) in (1u32..).zip(users) {
        let value = value(user);
        let by = |tag: u8, key: &[u8]| [&[tag], key].concat();
        let keys = [by(0x41, user.name.as_bytes()), by(0x42, &place.to_be_bytes()), by(0x43, &user.uid.to_be_bytes())];
        // Of two users with one number the first is found by it.
        let new = keys.into_iter().filter(|key| seen.insert(key.clone()));
        pairs.extend(new.map(|key| (key, value.clone())));
    }
    pairs
}

fn value(user: &User) -> Vec<u8> {
    /// Every field is there.
    const FIELDS: u32 = 0x3ff;
    let text = |text: &str| [text.as_bytes(), b"\0"].concat();
    let number = |number: u32| number.to_be_bytes().to_vec();
    [
        text(&user.name),
        text("*"),
        number(user.uid),
        number(user.gid),
        // When the password has to be changed, the login class, who it is.
        number(0),
        text(""),
        text(""),
        text(&user.home),
        text(&user.shell),
        // When the account expires.
        number(0),
        number(FIELDS),
    ]
    .concat()
}

/// db(3)'s default: `hash * 33 + byte`.
fn hash(key: &[u8]) -> u32 {
    key.iter().fold(0, |hash: u32, byte| hash.wrapping_mul(33).wrapping_add(u32::from(*byte)))
}

/// One page for each bucket; none if a bucket has more than fits into its page.
fn pages(pairs: &[Pair], buckets: usize) -> Option<Vec<u8>> {
    let mut pages = Vec::with_capacity(buckets * PAGE);
    for bucket in 0..buckets {
        let ours = pairs.iter().filter(|(key, _)| hash(key) as usize & (buckets - 1) == bucket);
        pages.extend(page(ours)?);
    }
    Some(pages)
}

/// From the front: how many offsets, the offsets of keys and values, how much is free, where the last value begins. From the end:
/// keys and values.
fn page<'p>(pairs: impl Iterator<Item = &'p Pair>) -> Option<Vec<u8>> {
    let mut page = vec![0; PAGE];
    let mut offsets = Vec::new();
    let mut end = PAGE;
    for (key, value) in pairs {
        for part in [key, value] {
            let start = end.checked_sub(part.len())?;
            page[start..end].copy_from_slice(part);
            offsets.push(start);
            end = start;
        }
    }
    let front = (offsets.len() + 3) * 2;
    // db(3) keeps room for the address of one more page.
    let free = end.checked_sub(front + 4)? + 4;
    let words = std::iter::once(offsets.len()).chain(offsets.iter().copied()).chain([free, end]);
    for (at, word) in words.enumerate() {
        page[at * 2..at * 2 + 2].copy_from_slice(&u16::try_from(word).ok()?.to_le_bytes());
    }
    Some(page)
}

/// `HASHHDR` of db(3): numbers of four bytes, big-endian, and the byte order of the pages among them; then spares and bitmaps of
/// pages that this file has none of. One page.
fn header(buckets: usize, keys: usize) -> Vec<u8> {
    const MAGIC: u32 = 0x0006_1561;
    const VERSION: u32 = 2;
    const LITTLE_ENDIAN: u32 = 1234;
    let number = |number: usize| u32::try_from(number).unwrap_or(0);
    let mask = number(buckets) - 1;
    let words = [
        MAGIC,
        VERSION,
        LITTLE_ENDIAN,
        number(PAGE),
        PAGE.trailing_zeros(),
        // Directory and segments of the table in memory, and the shift for a segment.
        256,
        256,
        8,
        // Where pages would overflow to, and the last of those that was freed.
        buckets.trailing_zeros(),
        0,
        // The last bucket, and masks for a table twice as large and as large as this one.
        mask,
        mask * 2 + 1,
        mask,
        // Keys for a bucket before it is split, how many there are, and pages of this header.
        32,
        number(keys),
        1,
        // By which a reader sees that it hashes as the writer did.
        hash(b"%$sniglet^&\0"),
    ];
    let mut page: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    page.resize(PAGE, 0);
    page
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn user(name: &str, uid: u32) -> User {
        let (home, shell) = ("/nonexistent".into(), "/usr/sbin/nologin".into());
        User { name: name.into(), uid, gid: uid, home, shell, groups: Vec::new() }
    }

    fn word(file: &[u8], at: usize) -> usize {
        u16::from_le_bytes(file[at..at + 2].try_into().unwrap()).into()
    }

    /// As hash_access() of libc's db/hash/hash.c looks a key up.
    fn find(file: &[u8], key: &[u8]) -> Option<Vec<u8>> {
        let number = |at: usize| u32::from_be_bytes(file[at * 4..at * 4 + 4].try_into().unwrap());
        assert_eq!((number(0), number(1), number(16)), (0x61561, 2, hash(b"%$sniglet^&\0")));
        let mut bucket = hash(key) & number(11);
        if bucket > number(10) {
            bucket &= number(12);
        }
        let page = &file[PAGE * (bucket as usize + 1)..][..PAGE];
        let mut off = PAGE;
        for at in (1..=word(page, 0)).step_by(2) {
            let (start, value) = (word(page, at * 2), word(page, at * 2 + 2));
            if page[start..off] == *key {
                return Some(page[value..start].to_vec());
            }
            off = value;
        }
        None
    }

    #[test]
    fn every_user_is_found_by_name_number_and_place() {
        let users: Vec<_> = (0..400).map(|n| user(&format!("user{n}"), n)).collect();
        for count in [0, 1, 2, 30, 400] {
            let file = pwd_db(users[..count].iter());
            assert_eq!(file.len() % PAGE, 0);
            assert_eq!(find(&file, b"\xffVERSION"), Some(vec![4]));
            for (user, place) in users[..count].iter().zip(1u32..) {
                let expected = Some(value(user));
                assert_eq!(find(&file, &[b"A", user.name.as_bytes()].concat()), expected);
                assert_eq!(find(&file, &[&b"B"[..], &place.to_be_bytes()].concat()), expected);
                assert_eq!(find(&file, &[&b"C"[..], &user.uid.to_be_bytes()].concat()), expected);
            }
            assert_eq!(find(&file, b"Anobody"), None);
        }
    }

    #[test]
    fn of_two_users_with_one_number_the_first_is_found_by_it() {
        let users = [user("root", 0), user("toor", 0)];
        let file = pwd_db(users.iter());
        assert_eq!(find(&file, b"C\0\0\0\0"), Some(value(&users[0])));
        assert_eq!(find(&file, b"Atoor"), Some(value(&users[1])));
    }

    #[test]
    fn the_hash_is_that_of_libc() {
        assert_eq!(hash(b""), 0);
        assert_eq!(hash(b"ab"), 97 * 33 + 98);
    }
}
