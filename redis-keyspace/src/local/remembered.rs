//! A cache of values that a process has read, bounded in bytes.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};
use rustc_hash::FxBuildHasher;

use crate::sync::lock;
use crate::time::Moment;

/// The approximate size of an entry in addition to its name and value, in bytes.
const OVERHEAD: usize = 100;
/// The number of stripes. Names share a stripe: forgetting one of them also discards reads of the
/// others that are in progress.
const STRIPES: usize = 64;

/// Values that were read, by the name of their key on the server.
///
/// A value whose read started before its name was forgotten is never kept. So a caller that forgets
/// a name when it writes the key never reads an older value back.
pub(crate) struct Remembered<V: Clone> {
    most_bytes: u64,
    longest: usize,
    /// Created with the first entry, because most pools never need it.
    kept: OnceLock<Cache<String, KeptValue<V>, ByBytes>>,
    /// Whether reads may have started; writers check it first.
    used: AtomicBool,
    /// How often the names of each stripe were forgotten. Locked while an entry is inserted or
    /// removed.
    forgotten: [Mutex<u64>; STRIPES],
}

#[derive(Clone)]
struct KeptValue<V> {
    value: V,
    bytes: usize,
    read_at: Moment,
}

impl<V> KeptValue<V> {
    fn is_within(&self, age: Duration) -> bool {
        self.read_at.elapsed() < age
    }
}

/// A read in progress.
pub(crate) struct ReadStart {
    forgotten: u64,
    at: Moment,
}

impl ReadStart {
    pub(crate) fn at(&self) -> Moment {
        self.at
    }
}

/// Values that report their size.
pub(crate) trait Size {
    fn bytes(&self) -> usize;
}

impl Size for Arc<[u8]> {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl Size for u64 {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

#[derive(Clone, Copy)]
struct ByBytes;

impl<V> Weighter<String, KeptValue<V>> for ByBytes {
    fn weight(&self, _: &String, entry: &KeptValue<V>) -> u64 {
        u64::try_from(entry.bytes).unwrap_or(u64::MAX)
    }
}

impl<V: Clone + Size> Remembered<V> {
    /// Creates a cache of at most `most_bytes`, without values of more than `longest` bytes: one of
    /// those would evict all others.
    pub(crate) fn new(most_bytes: u64, longest: usize) -> Self {
        Self {
            most_bytes,
            longest,
            kept: OnceLock::new(),
            used: AtomicBool::new(false),
            forgotten: std::array::from_fn(|_| Mutex::new(0)),
        }
    }

    fn stripe(&self, name: &str) -> &Mutex<u64> {
        let place = usize::try_from(FxBuildHasher.hash_one(name)).unwrap_or_default() % STRIPES;
        #[expect(clippy::indexing_slicing, reason = "there is a place for every remainder")]
        &self.forgotten[place]
    }

    /// Whether writers must forget the keys that they write.
    pub(crate) fn is_used(&self) -> bool {
        self.used.load(Ordering::Acquire)
    }

    /// Makes writers forget the keys that they write from now on.
    pub(crate) fn expect_reads(&self) {
        self.used.store(true, Ordering::Release);
    }

    /// Starts a read of a key. Call it before the key is read.
    pub(crate) fn start(&self, name: &str) -> ReadStart {
        self.expect_reads();
        ReadStart { forgotten: *lock(self.stripe(name)), at: Moment::now() }
    }

    /// Keeps a value that was read, unless its name was forgotten since the read started. Its age
    /// counts from `read_at`.
    pub(crate) fn keep(&self, name: &str, value: V, start: &ReadStart, read_at: Moment) {
        if value.bytes() > self.longest {
            return;
        }
        let kept = self.kept.get_or_init(|| new_cache(self.most_bytes));
        let bytes = name.len() + value.bytes() + OVERHEAD;
        let forgotten = lock(self.stripe(name));
        if *forgotten == start.forgotten {
            kept.insert(name.to_owned(), KeptValue { value, bytes, read_at });
        }
    }

    /// Whether the cache holds a value that was read within `age`.
    pub(crate) fn is_recent(&self, name: &str, age: Duration) -> bool {
        let entry = self.kept.get().and_then(|kept| kept.peek(name));
        entry.is_some_and(|entry| entry.is_within(age))
    }

    /// Returns the value if it was read within `age`.
    pub(crate) fn get(&self, name: &str, age: Duration) -> Option<V> {
        let entry = self.kept.get()?.get(name)?;
        entry.is_within(age).then_some(entry.value)
    }

    /// Forgets a key. Call it when the key is written.
    pub(crate) fn forget(&self, name: &str) {
        let mut forgotten = lock(self.stripe(name));
        *forgotten += 1;
        if let Some(kept) = self.kept.get() {
            kept.remove(name);
        }
    }

    /// Forgets a key now, and once more when the guard is dropped. A read in between may have seen
    /// the old or the new value.
    pub(crate) fn forgetting(&self, name: String) -> Forgetting<'_, V> {
        self.forget(&name);
        Forgetting { remembered: self, name }
    }

    /// The total length of all names in the cache, in bytes.
    #[cfg(test)]
    pub(super) fn names_kept(&self) -> usize {
        self.kept.get().map_or(0, |kept| kept.iter().map(|(name, _)| name.len()).sum())
    }

    /// Forgets all keys.
    pub(crate) fn clear(&self) {
        for stripe in &self.forgotten {
            *lock(stripe) += 1;
        }
        if let Some(kept) = self.kept.get() {
            kept.clear();
        }
    }
}

fn new_cache<V: Clone>(most_bytes: u64) -> Cache<String, KeptValue<V>, ByBytes> {
    let options = OptionsBuilder::new()
        // Each shard has its own share of the capacity, and one large value must fit.
        .shards(1)
        .estimated_items_capacity(64)
        .weight_capacity(most_bytes)
        .build();
    match options {
        Ok(options) => Cache::with_options(options, ByBytes, RandomState::new(), DefaultLifecycle::default()),
        Err(_) => Cache::with(64, most_bytes, ByBytes, RandomState::new(), DefaultLifecycle::default()),
    }
}

/// A write in progress; see [`Remembered::forgetting`].
pub(crate) struct Forgetting<'r, V: Clone + Size> {
    remembered: &'r Remembered<V>,
    name: String,
}

impl<V: Clone + Size> Drop for Forgetting<'_, V> {
    fn drop(&mut self) {
        self.remembered.forget(&self.name);
    }
}

impl<V: Clone> fmt::Debug for Remembered<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MIB: usize = 1 << 20;

    fn copies() -> Remembered<Arc<[u8]>> {
        Remembered::new(16 << 20, MIB)
    }

    fn read(copies: &Remembered<Arc<[u8]>>, name: &str, value: &[u8]) {
        let start = copies.start(name);
        copies.keep(name, value.into(), &start, start.at);
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_is_kept_for_a_while_and_until_it_is_forgotten() {
        let copies = copies();
        assert!(!copies.is_used());
        read(&copies, "a", b"1");
        assert!(copies.is_used() && copies.is_recent("a", HOUR));
        assert_eq!(copies.get("a", HOUR).as_deref(), Some(&b"1"[..]));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(copies.get("a", Duration::from_secs(5)), None);
        read(&copies, "a", b"2");
        assert_eq!(copies.get("a", Duration::from_secs(5)).as_deref(), Some(&b"2"[..]));
        copies.clear();
        assert_eq!(copies.get("a", HOUR), None);
        // The machine was suspended while the reply was on the way.
        let start = copies.start("b");
        copies.keep("b", b"3".as_slice().into(), &start, Moment::before_suspension(HOUR));
        assert_eq!(copies.get("b", HOUR / 2), None);
        assert!(copies.is_recent("b", 2 * HOUR));
    }

    #[test]
    fn a_read_that_began_before_a_write_is_not_kept() {
        let copies = copies();
        let before = copies.start("a");
        copies.forget("a");
        copies.keep("a", b"old".as_slice().into(), &before, before.at);
        assert_eq!(copies.get("a", HOUR), None);

        let before = copies.start("a");
        let write = copies.forgetting("a".to_owned());
        let during = copies.start("a");
        copies.keep("a", b"old".as_slice().into(), &before, before.at);
        assert_eq!(copies.get("a", HOUR), None);
        let also_during = copies.start("a");
        copies.keep("a", b"either".as_slice().into(), &also_during, also_during.at);
        drop(write);
        assert_eq!(copies.get("a", HOUR), None);
        copies.keep("a", b"either".as_slice().into(), &during, during.at);
        assert_eq!(copies.get("a", HOUR), None);

        let before = copies.start("a");
        copies.clear();
        copies.keep("a", b"old".as_slice().into(), &before, before.at);
        assert_eq!(copies.get("a", HOUR), None);
        read(&copies, "a", b"new");
        assert_eq!(copies.get("a", HOUR).as_deref(), Some(&b"new"[..]));
    }

    #[test]
    fn memory_is_bounded_in_bytes() {
        let copies = copies();
        let value = vec![0; MIB];
        for n in 0..100 {
            read(&copies, &n.to_string(), &value);
            assert!(copies.get(&n.to_string(), HOUR).is_some(), "the newest value is kept");
        }
        let kept = (0..100).filter(|n| copies.is_recent(&n.to_string(), HOUR)).count();
        assert!((4..=16).contains(&kept), "{kept}");
        read(&copies, "long", &vec![0; MIB + 1]);
        assert_eq!(copies.get("long", HOUR), None);

        let generations: Remembered<u64> = Remembered::new(100_000, 8);
        let name = "n".repeat(1000);
        for n in 0..10_000_u64 {
            let name = format!("{name}{n}");
            let start = generations.start(&name);
            generations.keep(&name, n, &start, start.at);
        }
        let kept = (0..10_000_u64).filter(|n| generations.is_recent(&format!("{name}{n}"), HOUR)).count();
        assert!((20..100).contains(&kept), "long names count: {kept}");
    }
}
