//! Checks that the keys of an object are distinct.
//!
//! If a key occurs twice, reading fails for a struct and drops a value for a map. Keys are compared
//! in their written form, in the output, so nothing is copied.

use std::hash::{BuildHasher, RandomState};

use rustc_hash::FxHashSet;
use smallvec::SmallVec;

/// The positions of the keys of all open objects in the output. Those of the innermost object come
/// last.
pub(super) type KeyPlaces = SmallVec<[(usize, usize); 16]>;

/// Up to this number, keys are compared one by one.
const FEW: usize = 24;

/// The keys of one open object.
#[derive(Debug)]
pub(super) struct ObjectKeys {
    /// The index of the first key among the keys of all open objects.
    first: usize,
    /// A small Bloom filter: each key sets a bit. If its bit is not set, a key is new.
    bits: u64,
    /// Whether each key was greater than the one before, as in a `BTreeMap`. Then all are distinct.
    /// Not tracked for a struct, whose fields have no such order.
    ascending: bool,
    /// The hashes of the keys, once there are many. Keys may be untrusted, so the hasher is seeded.
    /// The set itself does not need a good hash.
    hashes: Option<Box<(RandomState, FxHashSet<u64>)>>,
}

impl ObjectKeys {
    /// Starts the keys of a map.
    pub(super) fn of_map(places: &KeyPlaces) -> Self {
        Self { first: places.len(), bits: 0, ascending: true, hashes: None }
    }

    /// Starts the keys of a struct.
    pub(super) fn of_struct(places: &KeyPlaces) -> Self {
        Self { ascending: false, ..Self::of_map(places) }
    }

    /// Adds the key of a map at this position, which was written last. Returns whether it is new.
    #[inline]
    pub(super) fn add(&mut self, out: &[u8], places: &mut KeyPlaces, place: (usize, usize)) -> bool {
        let key = at(out, place);
        let bit = bit(unquoted(key));
        let seen = places.get(self.first..).unwrap_or_default();
        let is_new =
            if self.bits & bit == 0 && seen.len() < FEW { true } else { self.is_new(out, seen, key) };
        self.ascending = self.ascending && seen.last().is_none_or(|&last| at(out, last) < key);
        self.bits |= bit;
        places.push(place);
        is_new
    }

    /// Adds the name of a field, like [`add`](Self::add).
    #[inline]
    pub(super) fn add_field(
        &mut self,
        name: &'static str,
        out: &[u8],
        places: &mut KeyPlaces,
        place: (usize, usize),
    ) -> bool {
        let bit = bit(name.as_bytes());
        let is_new = (self.bits & bit == 0 && places.len() - self.first < FEW)
            || self.is_new(out, places.get(self.first..).unwrap_or_default(), at(out, place));
        self.bits |= bit;
        places.push(place);
        is_new
    }

    #[cold]
    fn is_new(&mut self, out: &[u8], seen: &[(usize, usize)], key: &[u8]) -> bool {
        let differs = || seen.iter().all(|&place| at(out, place) != key);
        if self.ascending && seen.last().is_some_and(|&last| at(out, last) < key) {
            return true;
        }
        if seen.len() < FEW {
            return differs();
        }
        let hashes = self.hashes.get_or_insert_with(|| {
            let hasher = RandomState::new();
            let hashes = seen.iter().map(|&place| hasher.hash_one(at(out, place))).collect();
            Box::new((hasher, hashes))
        });
        // Equal hashes of different keys are possible.
        hashes.1.insert(hashes.0.hash_one(key)) || differs()
    }

    /// Removes the keys when the object is closed.
    pub(super) fn close(&self, places: &mut KeyPlaces) {
        places.truncate(self.first);
    }
}

fn at(out: &[u8], (start, end): (usize, usize)) -> &[u8] {
    out.get(start..end).unwrap_or_default()
}

fn unquoted(key: &[u8]) -> &[u8] {
    if let [_, key @ .., _] = key { key } else { key }
}

/// Returns the bit of a key.
#[inline]
fn bit(key: &[u8]) -> u64 {
    let [first, .., last] = key else { return 1 };
    let middle = key.get(key.len() / 2).copied().unwrap_or_default();
    let mixed = usize::from(*first) * 31 + usize::from(*last) * 7 + usize::from(middle) + key.len();
    1 << (mixed % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds the keys and returns the index of the first duplicate.
    fn first_duplicate(keys: &[String]) -> Option<usize> {
        let found = first_duplicate_of(keys, false);
        assert_eq!(first_duplicate_of(keys, true), found);
        found
    }

    fn first_duplicate_of(keys: &[String], is_struct: bool) -> Option<usize> {
        let (mut out, mut places) = (b"before".to_vec(), KeyPlaces::new());
        places.push((0, 6));
        let mut seen = if is_struct { ObjectKeys::of_struct(&places) } else { ObjectKeys::of_map(&places) };
        let found = keys.iter().position(|key| {
            let start = out.len();
            out.extend_from_slice(format!("\"{key}\"").as_bytes());
            let end = out.len();
            out.extend_from_slice(b":1,");
            let place = (start, end);
            let is_new = if is_struct {
                seen.add_field(key.clone().leak(), &out, &mut places, place)
            } else {
                seen.add(&out, &mut places, place)
            };
            !is_new
        });
        seen.close(&mut places);
        assert_eq!(places.len(), 1);
        found
    }

    #[test]
    fn a_duplicate_key_is_found_in_any_order_and_number_of_keys() {
        for count in [1_usize, 2, 5, 23, 24, 25, 26, 100, 1000] {
            let ascending: Vec<_> = (0..count).map(|number| format!("key{number:05}")).collect();
            let descending: Vec<_> = ascending.iter().rev().cloned().collect();
            let mut mixed = ascending.clone();
            fastrand::Rng::with_seed(7).shuffle(&mut mixed);
            for keys in [ascending, descending, mixed] {
                assert_eq!(first_duplicate(&keys), None, "{count}");
                for again in [0, count / 2, count - 1] {
                    let mut keys = keys.clone();
                    keys.push(keys[again].clone());
                    assert_eq!(first_duplicate(&keys), Some(count), "{count} {again}");
                }
            }
        }
        assert_eq!(first_duplicate(&[String::new(), "a".into(), String::new()]), Some(2));
    }
}
