//! A map with byte keys that keeps the insertion order and can be iterated in steps.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

/// Every entry has a number in the order of insertion. Overwriting keeps the number.
///
/// A walk from the newest number down always ends. It visits every entry that exists during the
/// whole walk exactly once, even if other entries are inserted or removed.
#[derive(Clone, Debug)]
pub(crate) struct Ordered<V> {
    entries: HashMap<Bytes, (u64, V)>,
    order: BTreeMap<u64, Bytes>,
    last: u64,
}

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: BTreeMap::new(), last: 0 }
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
        self.entries.insert(key, (self.last, value));
        None
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<V> {
        let (number, value) = self.entries.remove(key)?;
        self.order.remove(&number);
        Some(value)
    }

    pub(crate) fn clear(&mut self) {
        // Keeps `last`, so an old cursor does not skip new entries.
        self.entries.clear();
        self.order.clear();
    }

    /// Returns the entries, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, &V)> {
        self.order.values().filter_map(|key| self.get(key).map(|value| (key, value)))
    }

    /// Returns at most `steps` entries from `cursor` on, and the next cursor, which is 0 after the
    /// last entry.
    pub(crate) fn walk(&self, cursor: u64, steps: usize) -> (Vec<(&Bytes, &V)>, u64) {
        let newest = if cursor == 0 { u64::MAX } else { cursor };
        let mut walk = self.order.range(..=newest).rev();
        let page = walk.by_ref().take(steps).filter_map(|(_, key)| self.get(key).map(|value| (key, value)));
        (page.collect(), walk.next().map_or(0, |(&number, _)| number))
    }

    /// Returns the key that `place` selects. Any number is valid: it is taken modulo the range of
    /// entry numbers.
    pub(crate) fn near(&self, place: u64) -> Option<&Bytes> {
        let (&first, _) = self.order.first_key_value()?;
        let from = first + place % (self.last.saturating_sub(first).saturating_add(1));
        self.order.range(from..).next().or_else(|| self.order.first_key_value()).map(|(_, key)| key)
    }
}
