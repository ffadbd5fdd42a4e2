//! Randomness for what nobody else may come to by chance: the token of a lock's holder, the generation of a group.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

static DRAWN: AtomicU64 = AtomicU64::new(0);

/// 64 bits that can't be foreseen. The seed of what draws pauses comes from the time, which two processes may share; the
/// keys of a hasher come from the system.
pub(crate) fn bits() -> u64 {
    RandomState::new().hash_one(DRAWN.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn nothing_is_drawn_twice() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..1000).map(|_| super::bits()).collect::<Vec<_>>()))
            .collect();
        let drawn: HashSet<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(drawn.len(), 4000);
    }
}
