//! A map of files by what stat(2) identifies them with. Nobody chooses inode numbers as they like, so that no hash is needed
//! that stands up to chosen keys, and a closure asks for each of its files several times.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::FileId;

/// A map of files.
pub(crate) type ById<T> = HashMap<FileId, T, BuildHasherDefault<Mixed>>;

/// Both numbers multiplied with one that has its bits everywhere: the golden ratio's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    #[test]
    fn files_that_were_made_one_after_the_other_are_far_apart() {
        let hasher = BuildHasherDefault::<Mixed>::default();
        let hash = |ino| hasher.hash_one(FileId { dev: 2049, ino });
        // The table looks at the low bits for the place, and at the high ones before it compares.
        let low: HashSet<u64> = (0..256).map(|ino| hash(ino) & 0xff).collect();
        let high: HashSet<u64> = (0..256).map(|ino| hash(ino) >> 57).collect();
        assert!(low.len() > 200 && high.len() > 100, "{} {}", low.len(), high.len());
        assert_ne!(hasher.hash_one(FileId { dev: 1, ino: 2 }), hasher.hash_one(FileId { dev: 2, ino: 1 }));
    }
}
