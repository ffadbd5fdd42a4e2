//! Random numbers for names that must be unique among all processes: tokens of leases and locks,
//! and generations of groups.

/// Returns 64 random bits from the operating system.
///
/// If the system has no source of randomness, the bits come from the keys that the standard
/// library's hasher drew when the thread started. Every supported platform has such a source after
/// it has booted.
pub(crate) fn bits() -> u64 {
    getrandom::u64().unwrap_or_else(|_| from_a_hasher())
}

/// Returns an unguessable token: 128 random bits in hexadecimal.
pub(crate) fn token() -> String {
    format!("{:016x}{:016x}", bits(), bits())
}

fn from_a_hasher() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::atomic::{AtomicU64, Ordering};

    static DRAWN: AtomicU64 = AtomicU64::new(0);
    RandomState::new().hash_one(DRAWN.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn no_number_is_drawn_twice() {
        for source in [super::bits, super::from_a_hasher] {
            let threads: Vec<_> = (0..4)
                .map(|_| std::thread::spawn(move || (0..1000).map(|_| source()).collect::<Vec<_>>()))
                .collect();
            let drawn: HashSet<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
            assert_eq!(drawn.len(), 4000);
        }
    }
}
