//! Consumer groups.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::id::EntryId;

/// A consumer group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// The last ID that was delivered.
    pub(crate) last_id: EntryId,
    /// The number of entries up to `last_id`, if it is known.
    pub(crate) entries_read: Option<i64>,
    pending: BTreeMap<EntryId, PendingEntry>,
    consumers: BTreeMap<Bytes, Consumer>,
}

/// An entry that was delivered, but not acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct PendingEntry {
    pub(crate) consumer: Bytes,
    /// The time of the last delivery, in milliseconds since the epoch.
    pub(crate) time: i64,
    pub(crate) deliveries: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    /// The time of the last command of the consumer.
    pub(crate) seen: i64,
    pub(crate) pending: BTreeSet<EntryId>,
}

impl Group {
    pub(crate) fn new(last_id: EntryId, entries_read: Option<i64>) -> Self {
        Self { last_id, entries_read, pending: BTreeMap::new(), consumers: BTreeMap::new() }
    }

    pub(crate) fn pending(&self) -> &BTreeMap<EntryId, PendingEntry> {
        &self.pending
    }

    pub(crate) fn pending_mut(&mut self, id: EntryId) -> Option<&mut PendingEntry> {
        self.pending.get_mut(&id)
    }

    pub(crate) fn consumers(&self) -> &BTreeMap<Bytes, Consumer> {
        &self.consumers
    }

    /// Creates the consumer if it does not exist. Returns whether it did not exist.
    pub(crate) fn add_consumer(&mut self, name: &[u8], now: i64) -> bool {
        if self.consumers.contains_key(name) {
            return false;
        }
        let consumer = Consumer { seen: now, pending: BTreeSet::new() };
        self.consumers.insert(Bytes::copy_from_slice(name), consumer);
        true
    }

    /// Creates the consumer if it does not exist, and records that it is active. Returns
    /// whether it did not exist.
    pub(crate) fn see_consumer(&mut self, name: &[u8], now: i64) -> bool {
        let is_new = self.add_consumer(name, now);
        if let Some(consumer) = self.consumers.get_mut(name) {
            consumer.seen = now;
        }
        is_new
    }

    /// Removes a consumer and its pending entries. Returns the number of entries, or
    /// `None` if the consumer does not exist.
    pub(crate) fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let consumer = self.consumers.remove(name)?;
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    /// Makes an entry pending for a consumer, also if it is pending for another one.
    pub(crate) fn assign(&mut self, id: EntryId, pending: PendingEntry) {
        let name = pending.consumer.clone();
        if let Some(before) = self.pending.insert(id, pending)
            && let Some(consumer) = self.consumers.get_mut(&before.consumer)
        {
            consumer.pending.remove(&id);
        }
        if let Some(consumer) = self.consumers.get_mut(&name) {
            consumer.pending.insert(id);
        }
    }

    /// Removes a pending entry. Returns whether it was pending.
    pub(crate) fn acknowledge(&mut self, id: EntryId) -> bool {
        let Some(pending) = self.pending.remove(&id) else { return false };
        if let Some(consumer) = self.consumers.get_mut(&pending.consumer) {
            consumer.pending.remove(&id);
        }
        true
    }
}
