//! A map with byte keys that keeps the insertion order and can be iterated in steps.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hasher};
use std::sync::OnceLock;

use bytes::Bytes;

/// Every entry has a number in the order of insertion. Overwriting keeps the number.
///
/// A walk in steps has another order: each key has a place that depends only on the key. So the
/// walk finds a key that is removed and inserted again between two steps.
#[derive(Clone, Debug)]
pub(crate) struct Ordered<V> {
    entries: HashMap<Bytes, (u64, V)>,
    order: BTreeMap<u64, Bytes>,
    last: u64,
    /// Created by the first walk: most maps are never walked in steps.
    places: OnceLock<Box<Places>>,
}

/// The keys in the order of their places.
#[derive(Clone, Debug, Default)]
struct Places(BTreeSet<(u64, Bytes)>);

impl Places {
    /// Returns the place of a key, which is not 0. It has 48 bits, because some clients read
    /// cursors as signed or floating-point numbers.
    fn of(key: &[u8]) -> u64 {
        // The same in all maps: a cursor stays valid if another map replaces this one.
        let mut hasher = DefaultHasher::new();
        hasher.write(key);
        (hasher.finish() >> 16).max(1)
    }

    fn insert(&mut self, key: &Bytes) {
        self.0.insert((Self::of(key), key.clone()));
    }

    fn remove(&mut self, key: &Bytes) {
        self.0.remove(&(Self::of(key), key.clone()));
    }

    /// Returns the keys from a place on, and their places.
    fn starting_at(&self, place: u64) -> impl Iterator<Item = (u64, &Bytes)> {
        // No key is less than the empty one.
        self.0.range((place, Bytes::new())..).map(|(place, key)| (*place, key))
    }
}

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        let (entries, order, places) = (HashMap::new(), BTreeMap::new(), OnceLock::new());
        Self { entries, order, last: 0, places }
    }
}

impl<V> Ordered<V> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.entries.contains_key(key)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &[u8]) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    /// Inserts `value` at `key` and returns the previous value.
    pub(crate) fn insert(&mut self, key: &[u8], value: V) -> Option<V> {
        if let Some((_, present)) = self.entries.get_mut(key) {
            return Some(std::mem::replace(present, value));
        }
        // A copy: a slice of a request would keep the whole read buffer alive.
        let key = Bytes::copy_from_slice(key);
        self.last = self.last.saturating_add(1);
        self.order.insert(self.last, key.clone());
        if let Some(places) = self.places.get_mut() {
            places.insert(&key);
        }
        self.entries.insert(key, (self.last, value));
        None
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<V> {
        let (number, value) = self.entries.remove(key)?;
        let key = self.order.remove(&number);
        if let (Some(places), Some(key)) = (self.places.get_mut(), &key) {
            places.remove(key);
        }
        Some(value)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the entries, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, &V)> {
        self.order.values().filter_map(|key| self.get(key).map(|value| (key, value)))
    }

    /// Returns about `steps` entries from `cursor` on, and the next cursor, which is 0 after the
    /// last entry. A walk visits every entry whose key exists at each of its steps.
    pub(crate) fn walk(&self, cursor: u64, steps: usize) -> (Vec<(&Bytes, &V)>, u64) {
        let places = self.places.get_or_init(|| {
            let mut places = Box::<Places>::default();
            self.entries.keys().for_each(|key| places.insert(key));
            places
        });
        let (mut page, mut last) = (Vec::new(), None);
        for (place, key) in places.starting_at(cursor) {
            // Keys that share a place are on one page: the cursor can't point between them.
            if page.len() >= steps && last != Some(place) {
                return (page, place);
            }
            page.extend(self.get(key).map(|value| (key, value)));
            last = Some(place);
        }
        (page, 0)
    }

    /// Returns the key that `place` selects. Any number is valid: it is taken modulo the range of
    /// entry numbers.
    pub(crate) fn near(&self, place: u64) -> Option<&Bytes> {
        let (&first, _) = self.order.first_key_value()?;
        let from = first + place % (self.last.saturating_sub(first).saturating_add(1));
        self.order.range(from..).next().or_else(|| self.order.first_key_value()).map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;

    use super::{Ordered, Places};

    fn numbered(count: u32) -> Ordered<u32> {
        let mut map = Ordered::default();
        for number in 0..count {
            map.insert(number.to_string().as_bytes(), number);
        }
        map
    }

    #[test]
    fn a_walk_finds_keys_that_are_inserted_again() {
        let mut map = numbered(1_000);
        let (mut seen, mut cursor, mut pages) = (BTreeSet::new(), 0, 0);
        loop {
            let (page, next) = map.walk(cursor, 10);
            assert!(page.len() <= 10);
            seen.extend(page.into_iter().map(|(_, number)| *number));
            for number in 0..1_000_u32 {
                let key = number.to_string();
                map.remove(key.as_bytes());
                map.insert(key.as_bytes(), number);
            }
            pages += 1;
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        assert_eq!((seen.len(), pages), (1_000, 100));
    }

    #[test]
    fn a_walk_goes_on_in_a_map_that_replaces_the_first_one() {
        let map = numbered(100);
        let (first, cursor) = map.walk(0, 40);
        let other = numbered(100);
        let (rest, end) = other.walk(cursor, 100);
        assert_eq!((first.len(), rest.len(), end), (40, 60, 0));
        let keys: BTreeSet<_> = first.into_iter().chain(rest).map(|(key, _)| key.clone()).collect();
        assert_eq!(keys.len(), 100);
    }

    #[test]
    fn keys_that_share_a_place_are_on_one_page() {
        let mut map = numbered(10);
        // As if all had the same hash.
        let shared = map.entries.keys().map(|key| (7, key.clone())).chain([(9, Bytes::from("5"))]);
        map.places = Box::new(Places(shared.collect())).into();
        let (page, next) = map.walk(0, 1);
        assert_eq!((page.len(), next), (10, 9));
        assert_eq!(map.walk(9, 1), (vec![(&Bytes::from("5"), &5)], 0));
        assert_eq!(map.walk(10, 1), (vec![], 0));
    }

    #[test]
    fn entries_keep_the_order_of_insertion() {
        let mut map = numbered(5);
        map.walk(0, 1);
        map.insert(b"2", 20);
        map.remove(b"0");
        map.insert(b"0", 0);
        let values: Vec<u32> = map.iter().map(|(_, value)| *value).collect();
        assert_eq!(values, [1, 20, 3, 4, 0]);
        map.clear();
        assert_eq!((map.len(), map.walk(0, 10), map.near(3)), (0, (vec![], 0), None));
    }
}
