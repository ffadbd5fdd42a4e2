//! What this process has seen of values that may be given when they are stale, for when Redis itself is away.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustc_hash::FxBuildHasher;
use tokio::time::Instant;

/// How much is kept at most, in two halves.
const MOST_BYTES: usize = 16 << 20;
/// Longer values are not kept: one of them would drive out all others.
const LONGEST: usize = 1 << 20;
/// What a copy takes beside its name and value, about.
const ROOM: usize = 100;
/// A value that is read all the time is not copied each time.
const OFTEN: Duration = Duration::from_secs(1);
/// Keys that share a mark: what is written of one keeps what was being read of the others from being kept.
const MARKS: usize = 64;

/// The copies of a pool, by the names of their keys on the server.
pub(crate) struct Copies {
    kept: Mutex<Kept>,
    /// Whether there have been any; writers look here first.
    used: AtomicBool,
    written: [AtomicU64; MARKS],
}

#[derive(Default)]
struct Kept {
    young: HashMap<String, Copy>,
    /// What was young until it was too much, and goes with the next that is.
    old: HashMap<String, Copy>,
    bytes: usize,
}

struct Copy {
    value: Arc<[u8]>,
    seen: Instant,
}

/// The moment before a key is read. What is written meanwhile is not kept.
pub(super) struct Before(u64);

impl Default for Copies {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            used: AtomicBool::new(false),
            written: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Copies {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark(&self, name: &str) -> &AtomicU64 {
        let place = usize::try_from(FxBuildHasher.hash_one(name)).unwrap_or_default() % MARKS;
        #[expect(clippy::indexing_slicing, reason = "there is a place for every remainder")]
        &self.written[place]
    }

    pub(super) fn before(&self, name: &str) -> Before {
        self.used.store(true, Ordering::Release);
        Before(self.mark(name).load(Ordering::Acquire))
    }

    /// Keeps what was seen, unless the key was written here since before it was read.
    pub(super) fn keep(&self, name: &str, value: &[u8], before: &Before) {
        if value.len() > LONGEST {
            return;
        }
        let mut kept = self.lock();
        let is_recent = |copy: &Copy| copy.seen.elapsed() < OFTEN;
        if self.mark(name).load(Ordering::Acquire) != before.0 || kept.young.get(name).is_some_and(is_recent)
        {
            return;
        }
        kept.bytes += name.len() + value.len() + ROOM;
        if kept.bytes > MOST_BYTES / 2 {
            kept.old = std::mem::take(&mut kept.young);
            kept.bytes = name.len() + value.len() + ROOM;
        }
        kept.old.remove(name);
        kept.young.insert(name.to_owned(), Copy { value: value.into(), seen: Instant::now() });
    }

    /// What was seen no longer ago than this.
    pub(super) fn get(&self, name: &str, no_longer_ago: Duration) -> Option<Arc<[u8]>> {
        let kept = self.lock();
        let copy = kept.young.get(name).or_else(|| kept.old.get(name))?;
        (copy.seen.elapsed() < no_longer_ago).then(|| Arc::clone(&copy.value))
    }

    /// Whether writers have to say what they write.
    pub(crate) fn is_used(&self) -> bool {
        self.used.load(Ordering::Acquire)
    }

    /// Forgets a key that is written.
    pub(crate) fn forget(&self, name: &str) {
        let mut kept = self.lock();
        self.mark(name).fetch_add(1, Ordering::AcqRel);
        kept.young.remove(name);
        kept.old.remove(name);
    }

    /// Forgets all, of which some are deleted.
    pub(crate) fn clear(&self) {
        let mut kept = self.lock();
        for mark in &self.written {
            mark.fetch_add(1, Ordering::AcqRel);
        }
        *kept = Kept::default();
    }
}

impl fmt::Debug for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copies").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn see(copies: &Copies, name: &str, value: &[u8]) {
        let before = copies.before(name);
        copies.keep(name, value, &before);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_seen_is_kept_for_a_while_and_until_it_is_written() {
        let copies = Copies::default();
        assert!(!copies.is_used());
        see(&copies, "a", b"1");
        assert!(copies.is_used());
        see(&copies, "a", b"2");
        assert_eq!(copies.get("a", HOUR).as_deref(), Some(&b"1"[..]), "a copy a second is enough");
        tokio::time::advance(Duration::from_secs(2)).await;
        see(&copies, "a", b"2");
        assert_eq!(copies.get("a", HOUR).as_deref(), Some(&b"2"[..]));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(copies.get("a", Duration::from_secs(5)), None);
        let before = copies.before("a");
        copies.forget("a");
        assert_eq!(copies.get("a", HOUR), None);
        copies.keep("a", b"older", &before);
        assert_eq!(copies.get("a", HOUR), None);
        see(&copies, "a", b"3");
        copies.clear();
        assert_eq!(copies.get("a", HOUR), None);
    }

    #[test]
    fn memory_is_bounded() {
        let copies = Copies::default();
        let value = vec![0; LONGEST];
        for n in 0..100 {
            see(&copies, &n.to_string(), &value);
        }
        let kept = copies.lock();
        let bytes: usize = kept.young.values().chain(kept.old.values()).map(|copy| copy.value.len()).sum();
        assert!((MOST_BYTES / 4..=MOST_BYTES).contains(&bytes), "{bytes}");
        assert!(kept.young.contains_key("99"));
        drop(kept);
        see(&copies, "long", &vec![0; LONGEST + 1]);
        assert_eq!(copies.get("long", HOUR), None);
    }
}
