//! A map of names. Whoever makes files chooses their names, so the hash has keys that are drawn for each process, and nobody can
//! make names that all fall on one place. The hash of std stands up to more than that, to those who see hashes, and takes five
//! times as long; a closure asks for each of its names several times.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;

/// A map of names.
pub(crate) type ByName<K, T> = HashMap<K, T, SeedableRandomState>;

/// A map with room for so many. foldhash itself draws its keys from where the process lies in memory, of which a program at a fixed
/// place has little to give; these come from the kernel, by the one way to it that std has.
pub(crate) fn by_name<K, T>(room: usize) -> ByName<K, T> {
    static KEYS: OnceLock<SharedSeed> = OnceLock::new();
    let random = RandomState::new();
    let keys = KEYS.get_or_init(|| SharedSeed::from_u64(random.hash_one(0)));
    HashMap::with_capacity_and_hasher(room, SeedableRandomState::with_seed(random.hash_one(1), keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_map_has_a_key_of_its_own() {
        let (one, two) = (by_name::<&str, u8>(0), by_name::<&str, u8>(0));
        assert_ne!(one.hasher().hash_one("libc.so.6"), two.hasher().hash_one("libc.so.6"));
    }
}
