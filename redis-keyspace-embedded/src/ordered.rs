//! A map from bytes that remembers the order of insertion, by which it can be walked in steps.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

/// Every entry keeps the number it was inserted under until it is removed; overwriting keeps the number.
///
/// Walking from the newest number down therefore meets every entry that was there the whole time exactly
/// once, whatever is inserted or removed meanwhile, and ends.
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

    /// Puts `value` under `key` and returns what was there.
    pub(crate) fn insert(&mut self, key: &[u8], value: V) -> Option<V> {
        if let Some((_, present)) = self.entries.get_mut(key) {
            return Some(std::mem::replace(present, value));
        }
        // A copy, because a key that arrived in a request would keep the whole read buffer alive.
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
        // The numbers go on, so that a cursor from before does not skip entries from after.
        self.entries.clear();
        self.order.clear();
    }

    /// Entries, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, &V)> {
        self.order.values().filter_map(|key| self.get(key).map(|value| (key, value)))
    }

    /// At most `steps` entries from `cursor` on, and the cursor to go on with (0: that was all).
    pub(crate) fn walk(&self, cursor: u64, steps: usize) -> (Vec<(&Bytes, &V)>, u64) {
        let newest = if cursor == 0 { u64::MAX } else { cursor };
        let mut walk = self.order.range(..=newest).rev();
        let page = walk.by_ref().take(steps).filter_map(|(_, key)| self.get(key).map(|value| (key, value)));
        (page.collect(), walk.next().map_or(0, |(&number, _)| number))
    }

    /// The first key at or after a place between 0 and 1 of the order.
    pub(crate) fn near(&self, place: u64) -> Option<&Bytes> {
        let (&first, _) = self.order.first_key_value()?;
        let from = first + place % (self.last.saturating_sub(first).saturating_add(1));
        self.order.range(from..).next().or_else(|| self.order.first_key_value()).map(|(_, key)| key)
    }
}
