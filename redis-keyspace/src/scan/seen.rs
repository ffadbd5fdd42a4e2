//! Remembers keys and elements, so that each is used once.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, RandomState};

/// The keys or elements that were already found. A scan may find a key again while the hash table
/// of the server shrinks, and while its slot is moved.
#[derive(Default)]
pub(super) struct SeenKeys {
    hashes: HashSet<(u64, u64)>,
    // Two hashes, because 64 bits are too few: on a collision, a key would be lost.
    first: RandomState,
    second: RandomState,
}

impl SeenKeys {
    pub(super) fn is_new(&mut self, key: &(impl Hash + ?Sized)) -> bool {
        self.hashes.insert((self.first.hash_one(key), self.second.hash_one(key)))
    }
}
