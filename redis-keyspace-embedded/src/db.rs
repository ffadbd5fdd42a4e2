//! One database: keys and their expiry, watchers, and clients that wait for keys.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::compact::CompactSizes;
use crate::notices::{EventClasses, Notice, Notices};
use crate::ordered::Ordered;
use crate::reply::{Answer, Failure, Reply};
use crate::schedule::Schedule;
use crate::value::Value;
use crate::waiting::Waiters;

/// The value of a key and its expiry, in milliseconds since the epoch.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    pub(crate) expires: Option<i64>,
    /// When the key was last used, for OBJECT IDLETIME.
    pub(crate) used: i64,
}

/// Tries to serve a client that waits for a key. It is called with the database, the changed key
/// and the time. It returns `None` if the client must wait longer.
type ServeFn = dyn Fn(&mut Db, &Bytes, i64) -> Option<Answer> + Send + Sync;

/// What a client waits for.
pub(crate) struct Serve(pub(crate) Box<ServeFn>);

impl std::fmt::Debug for Serve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serve").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Db {
    entries: Ordered<Entry>,
    expiries: BTreeSet<(i64, Bytes)>,
    /// When the next field of each hash expires.
    field_expiries: Schedule,
    watchers: HashMap<Bytes, Vec<Arc<AtomicBool>>>,
    waiters: Waiters<Serve>,
    pub(crate) compact: CompactSizes,
    notices: Notices,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) expired: u64,
    /// The time of the running command.
    now: i64,
    /// Whether the expiry of a key that clients wait for was set since the last call of
    /// [`Self::take_rescheduled`].
    rescheduled: bool,
}

impl Db {
    /// Removes expired keys and fields. It is called before every command, so no other code has to
    /// handle expiry.
    pub(crate) fn purge(&mut self, now: i64) {
        self.now = now;
        while self.expiries.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.expiries.pop_first() else { return };
            self.entries.remove(&key);
            self.expired = self.expired.saturating_add(1);
            self.notices.record(EventClasses::EXPIRED, "expired", &key);
            self.changed(&key);
        }
        while let Some(key) = self.field_expiries.pop(now) {
            // This does not count as a use of the key.
            if let Some(Value::Hash(hash)) = self.entries.get_mut(&key).map(|entry| &mut entry.value) {
                hash.purge(now);
                self.notices.record(EventClasses::HASH, "hexpired", &key);
            }
            self.settle(&key);
        }
    }

    /// Sets which events are recorded from now on.
    pub(crate) fn want_notices(&mut self, classes: EventClasses) {
        self.notices.want(classes);
    }

    /// Records an event of a key. It is sent after the command, and after events that were recorded
    /// before.
    pub(crate) fn notify(&mut self, class: EventClasses, event: &'static str, key: &[u8]) {
        self.notices.record(class, event, key);
    }

    /// Returns the events that were recorded since the last call.
    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        self.notices.take()
    }

    /// Returns the entry if it has not expired at `now`. It does not remove expired keys.
    pub(crate) fn entry_at(&self, key: &[u8], now: i64) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.expires.is_none_or(|at| at > now))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn expiring(&self) -> usize {
        self.expiries.len()
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.entries.contains(key)
    }

    pub(crate) fn entry(&self, key: &[u8]) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Returns the value for a read command, and records the use of the key.
    pub(crate) fn read(&mut self, key: &[u8], now: i64) -> Option<&Value> {
        match self.entries.get_mut(key) {
            Some(entry) => {
                self.hits = self.hits.saturating_add(1);
                entry.used = now;
                Some(&entry.value)
            }
            None => {
                self.misses = self.misses.saturating_add(1);
                self.notices.record(EventClasses::MISS, "keymiss", key);
                None
            }
        }
    }

    /// Records the use of a key.
    pub(crate) fn touch(&mut self, key: &[u8]) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.used = self.now;
        }
    }

    /// Returns the value to change it in place, and records the use of the key. Call
    /// [`Self::settle`] after the change.
    pub(crate) fn value_mut(&mut self, key: &[u8]) -> Option<&mut Value> {
        let entry = self.entries.get_mut(key)?;
        entry.used = self.now;
        Some(&mut entry.value)
    }

    /// Returns the value to change it in place, and inserts `empty` if the key does not exist.
    /// Records the use of the key. Call [`Self::settle`] after the change.
    pub(crate) fn value_or(&mut self, key: &[u8], empty: Value, now: i64) -> Option<&mut Value> {
        if !self.entries.contains(key) {
            self.entries.insert(key, Entry { value: empty, expires: None, used: now });
            self.notices.record(EventClasses::NEW, "new", key);
        }
        let entry = self.entries.get_mut(key)?;
        entry.used = now;
        entry.value.set_compact(&self.compact);
        Some(&mut entry.value)
    }

    /// Records a change in place, and removes the key if its value is empty. A notification of the
    /// removal follows those that are already recorded.
    pub(crate) fn settle(&mut self, key: &[u8]) {
        if self.entries.get(key).is_some_and(|entry| entry.value.is_empty()) {
            self.remove_and_notify(key);
        } else {
            self.changed(key);
        }
    }

    /// Serves the clients that wait for a key, although it counts as unchanged.
    pub(crate) fn wake(&mut self, key: &[u8]) {
        self.waiters.changed(key);
    }

    /// Stores a value and its expiry, and replaces existing ones.
    pub(crate) fn put(&mut self, key: &[u8], value: Value, expires: Option<i64>, now: i64) {
        let before = self.entries.insert(key, Entry { value, expires, used: now });
        if before.is_none() {
            self.notices.record(EventClasses::NEW, "new", key);
        }
        self.reschedule(key, before.and_then(|entry| entry.expires), expires);
        self.changed(key);
    }

    /// Stores a value and keeps the current expiry.
    pub(crate) fn put_keeping_expiry(&mut self, key: &[u8], value: Value, now: i64) {
        let expires = self.expires(key);
        self.put(key, value, expires, now);
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.reschedule(key, entry.expires, None);
        self.changed(key);
        Some(entry)
    }

    /// Removes a key and records the event of DEL, if the key exists.
    pub(crate) fn remove_and_notify(&mut self, key: &[u8]) -> Option<Entry> {
        let entry = self.remove(key)?;
        self.notices.record(EventClasses::GENERIC, "del", key);
        Some(entry)
    }

    pub(crate) fn expires(&self, key: &[u8]) -> Option<i64> {
        self.entries.get(key).and_then(|entry| entry.expires)
    }

    /// Sets or removes the expiry of an existing key.
    pub(crate) fn set_expiry(&mut self, key: &[u8], expires: Option<i64>) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let before = std::mem::replace(&mut entry.expires, expires);
        self.reschedule(key, before, expires);
        self.changed(key);
    }

    pub(crate) fn clear(&mut self) {
        let keys = self.observed_keys(|key| self.contains(key));
        self.entries.clear();
        self.expiries.clear();
        self.field_expiries.clear();
        keys.iter().for_each(|key| self.changed(key));
    }

    /// Exchanges the data of two databases. Watchers and waiting clients stay where they are.
    pub(crate) fn swap(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.entries, &mut other.entries);
        std::mem::swap(&mut self.expiries, &mut other.expiries);
        std::mem::swap(&mut self.field_expiries, &mut other.field_expiries);
        (self.rescheduled, other.rescheduled) = (true, true);
        self.notice_swap(other);
        other.notice_swap(self);
    }

    /// Records that the watched and awaited keys of this database were exchanged.
    fn notice_swap(&mut self, other: &Self) {
        let keys = self.observed_keys(|key| self.contains(key) || other.contains(key));
        keys.iter().for_each(|key| self.changed(key));
    }

    /// Returns the keys that clients watch or wait for, if they are selected.
    fn observed_keys(&self, is_selected: impl Fn(&[u8]) -> bool) -> BTreeSet<Bytes> {
        let keys = self.watchers.keys().chain(self.waiters.keys());
        keys.filter(|key| is_selected(key)).cloned().collect()
    }

    /// Returns keys and entries, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, &Entry)> {
        self.entries.iter()
    }

    pub(crate) fn walk(&self, cursor: u64, steps: usize) -> (Vec<(&Bytes, &Entry)>, u64) {
        self.entries.walk(cursor, steps)
    }

    pub(crate) fn key_near(&self, place: u64) -> Option<&Bytes> {
        self.entries.near(place)
    }

    fn reschedule(&mut self, key: &[u8], before: Option<i64>, after: Option<i64>) {
        if before == after {
            return;
        }
        let key = Bytes::copy_from_slice(key);
        if let Some(at) = before {
            self.expiries.remove(&(at, key.clone()));
        }
        if let Some(at) = after {
            self.rescheduled |= self.waiters.has_key(&key);
            self.expiries.insert((at, key));
        }
    }

    /// Returns when the first of the keys that a client waits for expires.
    pub(crate) fn next_awaited_expiry(&self, client: u64) -> Option<i64> {
        self.waiters.keys_of(client).iter().filter_map(|key| self.expires(key)).min()
    }

    /// Returns whether [`Self::next_awaited_expiry`] may have changed since the last call.
    pub(crate) fn take_rescheduled(&mut self) -> bool {
        std::mem::take(&mut self.rescheduled)
    }

    /// Notifies the watchers of the key. Marks the key as ready if a client waits for it.
    fn changed(&mut self, key: &[u8]) {
        let next_expiry = match self.entries.get(key).map(|entry| &entry.value) {
            Some(Value::Hash(hash)) => hash.next_expiry(),
            _ => None,
        };
        self.field_expiries.set(key, next_expiry);
        if let Some(watchers) = self.watchers.get(key) {
            watchers.iter().for_each(|dirty| dirty.store(true, Ordering::Relaxed));
        }
        self.waiters.changed(key);
    }

    /// Makes the next change of the key set `dirty`.
    pub(crate) fn watch(&mut self, key: &[u8], dirty: &Arc<AtomicBool>) {
        self.watchers.entry(Bytes::copy_from_slice(key)).or_default().push(dirty.clone());
    }

    pub(crate) fn unwatch(&mut self, key: &[u8], dirty: &Arc<AtomicBool>) {
        if let Some(watchers) = self.watchers.get_mut(key) {
            watchers.retain(|watcher| !Arc::ptr_eq(watcher, dirty));
            if watchers.is_empty() {
                self.watchers.remove(key);
            }
        }
    }

    /// Queues a client until `serve` answers for one of the keys.
    pub(crate) fn wait(&mut self, client: u64, keys: &[Bytes], serve: Serve) -> oneshot::Receiver<Reply> {
        self.waiters.add(client, keys, serve)
    }

    /// Removes a client from all queues after it was served, timed out or disconnected.
    pub(crate) fn stop_waiting(&mut self, client: u64) {
        self.waiters.remove_client(client);
    }

    /// Ends the wait of a client with this reply, or as its timeout does. Returns whether it was
    /// waiting.
    pub(crate) fn unblock(&mut self, client: u64, reply: Option<Reply>) -> bool {
        let waiter = self.waiters.remove_client(client);
        waiter.map(|waiter| waiter.end(reply)).is_some()
    }

    pub(crate) fn is_waiting(&self, client: u64) -> bool {
        self.waiters.contains(client)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiters.len()
    }

    /// Serves clients that wait for changed keys. The client that has waited longest is first.
    /// Returns the errors that clients received.
    pub(crate) fn serve_waiters(&mut self, now: i64) -> Vec<Failure> {
        self.now = now;
        let mut failures = Vec::new();
        loop {
            let ready = self.waiters.take_ready();
            if ready.is_empty() {
                return failures;
            }
            for key in &ready {
                for number in self.waiters.queue(key) {
                    failures.extend(self.serve(number, key, now));
                }
            }
        }
    }

    fn serve(&mut self, number: u64, key: &Bytes, now: i64) -> Option<Failure> {
        let waiter = self.waiters.take(number)?;
        if waiter.is_gone() {
            self.waiters.put_back(number, waiter);
            return None;
        }
        match (waiter.serve.0)(self, key, now) {
            None => self.waiters.put_back(number, waiter),
            Some(Ok(reply)) => self.waiters.served(number, waiter, reply),
            Some(Err(failure)) => {
                self.waiters.served(number, waiter, failure.clone().into());
                return Some(failure);
            }
        }
        None
    }
}
