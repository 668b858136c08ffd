//! A map of names. Whoever makes files chooses their names, so it is hashed with a key that is drawn for each process, and
//! nobody can make names that all fall on one place. The hash of std stands up to more than that, to those who see hashes, and
//! takes five times as long; a closure asks for each of its names several times.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// A map of names.
pub(crate) type ByName<K, T> = HashMap<K, T, Key>;

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key(u64, u64);

impl Default for Key {
    fn default() -> Self {
        // The one source of randomness that std has.
        let random = RandomState::new();
        Self(random.hash_one(0), random.hash_one(1))
    }
}

impl BuildHasher for Key {
    type Hasher = Keyed;

    fn build_hasher(&self) -> Keyed {
        Keyed { key: self.0, state: self.1 }
    }
}

/// Both halves of 16 bytes are multiplied, each with a secret in it, and the halves of the product joined, as wyhash and its
/// kin do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keyed {
    key: u64,
    state: u64,
}

impl Keyed {
    fn fold(&mut self, one: u64, two: u64) {
        let product = u128::from(one ^ self.key) * u128::from(two ^ self.state);
        self.state = product as u64 ^ (product >> 64) as u64;
    }
}

impl Hasher for Keyed {
    fn finish(&self) -> u64 {
        let mut last = *self;
        last.fold(0, 0);
        last.state
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut parts = bytes.chunks_exact(16);
        for part in &mut parts {
            let (one, two) = part.split_at(8);
            self.fold(number(one), number(two));
        }
        let rest = parts.remainder();
        let (one, two) = rest.split_at(rest.len().min(8));
        self.fold(number(one), number(two));
        // Zeros at the end are bytes, too.
        self.write_u64(bytes.len() as u64);
    }

    fn write_u8(&mut self, byte: u8) {
        // What str puts behind its bytes, of which the length is known already.
        self.state ^= u64::from(byte);
    }

    fn write_u64(&mut self, number: u64) {
        self.state = self.state.rotate_left(5) ^ number;
    }
}

/// Up to 8 bytes.
fn number(bytes: &[u8]) -> u64 {
    match bytes.try_into() {
        Ok(bytes) => u64::from_le_bytes(bytes),
        Err(_) => bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_that_differ_little_are_far_apart() {
        let key = Key::default();
        let mut names: Vec<String> = (0..500).map(|number| format!("liba{number}.so.1")).collect();
        names.extend((0..40).map(|len| "x".repeat(len)));
        names.extend((1..40).map(|len| "\0".repeat(len)));
        let hashes: Vec<u64> = names.iter().map(|name| key.hash_one(name.as_str())).collect();
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), names.len());
        // The table looks at the low bits for the place, and at the high ones before it compares.
        let low: HashSet<u64> = hashes.iter().map(|hash| hash & 0x3ff).collect();
        let high: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert!(low.len() > 350 && high.len() > 110, "{} {}", low.len(), high.len());
    }

    #[test]
    fn each_process_has_a_key_of_its_own() {
        let (one, two) = (Key::default(), Key::default());
        assert_ne!(one.hash_one("libc.so.6"), two.hash_one("libc.so.6"));
    }
}
