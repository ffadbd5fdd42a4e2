//! A hash: fields with values, and the expiry of fields.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::compact::CompactSize;
use crate::ordered::Ordered;

#[derive(Clone, Debug)]
struct Field {
    value: Bytes,
    /// In milliseconds since the epoch.
    expires: Option<i64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Hash {
    fields: Ordered<Field>,
    expiries: BTreeSet<(i64, Bytes)>,
    compact: CompactSize,
    is_large: bool,
}

impl Default for Hash {
    fn default() -> Self {
        let (fields, expiries) = (Ordered::default(), BTreeSet::new());
        Self { fields, expiries, compact: CompactSize::HASH, is_large: false }
    }
}

impl Hash {
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(crate) fn contains(&self, field: &[u8]) -> bool {
        self.fields.contains(field)
    }

    pub(crate) fn get(&self, field: &[u8]) -> Option<&Bytes> {
        self.fields.get(field).map(|field| &field.value)
    }

    /// Whether a real server would store it as a hash table. As there, it never becomes small
    /// again.
    pub(crate) fn is_large(&self) -> bool {
        self.is_large
    }

    /// Sets the sizes for the following changes.
    pub(crate) fn set_compact(&mut self, compact: CompactSize) {
        self.compact = compact;
    }

    fn measure(&mut self, field: &[u8], value: &[u8]) {
        let CompactSize { items, length } = self.compact;
        self.is_large |= field.len() > length || value.len() > length || self.fields.len() > items;
    }

    /// Sets a field. Its expiry is removed. Returns whether the field is new.
    pub(crate) fn insert(&mut self, field: &[u8], value: Bytes) -> bool {
        self.set_expiry(field, None);
        let before = self.fields.insert(field, Field { value: value.clone(), expires: None });
        self.measure(field, &value);
        before.is_none()
    }

    /// Sets a field and keeps its expiry.
    pub(crate) fn insert_keeping_expiry(&mut self, field: &[u8], value: Bytes) {
        match self.fields.get_mut(field) {
            Some(present) => present.value = value.clone(),
            None => drop(self.fields.insert(field, Field { value: value.clone(), expires: None })),
        }
        self.measure(field, &value);
    }

    /// Removes a field and returns its value.
    pub(crate) fn remove(&mut self, field: &[u8]) -> Option<Bytes> {
        self.set_expiry(field, None);
        self.fields.remove(field).map(|field| field.value)
    }

    pub(crate) fn expiry(&self, field: &[u8]) -> Option<i64> {
        self.fields.get(field).and_then(|field| field.expires)
    }

    /// Sets or removes the expiry of an existing field.
    pub(crate) fn set_expiry(&mut self, field: &[u8], expires: Option<i64>) {
        let Some(entry) = self.fields.get_mut(field) else { return };
        let before = std::mem::replace(&mut entry.expires, expires);
        if before == expires {
            return;
        }
        let field = Bytes::copy_from_slice(field);
        if let Some(at) = before {
            self.expiries.remove(&(at, field.clone()));
        }
        if let Some(at) = expires {
            self.expiries.insert((at, field));
        }
    }

    /// Returns when the next field expires.
    pub(crate) fn next_expiry(&self) -> Option<i64> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Removes expired fields.
    pub(crate) fn purge(&mut self, now: i64) {
        while self.expiries.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, field)) = self.expiries.pop_first() else { return };
            self.fields.remove(&field);
        }
    }

    /// Returns fields and values, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.fields.iter().map(|(name, field)| (name, &field.value))
    }

    /// Returns fields, values and expiries, oldest first.
    pub(crate) fn iter_with_expiries(&self) -> impl Iterator<Item = (&Bytes, &Bytes, Option<i64>)> {
        self.fields.iter().map(|(name, field)| (name, &field.value, field.expires))
    }

    /// Returns about `steps` fields with values from `cursor` on, and the next cursor, which is 0
    /// after the last field.
    pub(crate) fn walk(&self, cursor: u64, steps: usize) -> (Vec<(&Bytes, &Bytes)>, u64) {
        let (page, next) = self.fields.walk(cursor, steps);
        (page.into_iter().map(|(name, field)| (name, &field.value)).collect(), next)
    }
}

#[cfg(test)]
mod tests {
    use super::Hash;

    #[test]
    fn fields_expire_at_their_time() {
        let mut hash = Hash::default();
        assert!(hash.insert(b"a", "1".into()) && hash.insert(b"b", "2".into()));
        hash.set_expiry(b"a", Some(10));
        hash.set_expiry(b"b", Some(20));
        hash.set_expiry(b"absent", Some(5));
        assert_eq!(hash.next_expiry(), Some(10));
        hash.purge(9);
        assert_eq!(hash.len(), 2);
        hash.purge(10);
        assert!(!hash.contains(b"a"));
        hash.insert_keeping_expiry(b"b", "3".into());
        assert_eq!(hash.expiry(b"b"), Some(20));
        assert!(!hash.insert(b"b", "4".into()));
        assert_eq!((hash.expiry(b"b"), hash.next_expiry()), (None, None));
    }
}
