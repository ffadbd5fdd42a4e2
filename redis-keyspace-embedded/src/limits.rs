//! Limits of the replies that wait for a client that does not read them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The default for connections without subscriptions. A real server has no limit there; this one is
/// in the process of a test, which it must not take down.
const NORMAL_HARD: u64 = 1024 * 1024 * 1024;

/// The limits of one class of connections. 0: no limit.
#[derive(Debug)]
pub(crate) struct OutputLimit {
    /// The bytes at which the connection is closed at once.
    hard: AtomicU64,
    /// The bytes at which it is closed if it stays there for some time.
    soft: AtomicU64,
    soft_seconds: AtomicU64,
}

impl OutputLimit {
    const fn new(hard: u64, soft: u64, soft_seconds: u64) -> Self {
        Self {
            hard: AtomicU64::new(hard),
            soft: AtomicU64::new(soft),
            soft_seconds: AtomicU64::new(soft_seconds),
        }
    }

    /// Returns the hard limit, the soft limit and its seconds.
    pub(crate) fn get(&self) -> [u64; 3] {
        [&self.hard, &self.soft, &self.soft_seconds].map(|number| number.load(Ordering::Relaxed))
    }

    pub(crate) fn set(&self, numbers: [u64; 3]) {
        for (number, value) in [&self.hard, &self.soft, &self.soft_seconds].into_iter().zip(numbers) {
            number.store(value, Ordering::Relaxed);
        }
    }

    /// Whether the hard limit is reached.
    pub(crate) fn is_reached(&self, bytes: usize) -> bool {
        let [hard, ..] = self.get();
        reaches(bytes, hard)
    }

    /// Returns until when the soft limit may be exceeded. `before`: the last answer.
    pub(crate) fn grace(&self, bytes: usize, before: Option<Instant>) -> Option<Instant> {
        let [_, soft, seconds] = self.get();
        if !reaches(bytes, soft) {
            return None;
        }
        before.or_else(|| Instant::now().checked_add(Duration::from_secs(seconds)))
    }
}

fn reaches(bytes: usize, limit: u64) -> bool {
    limit > 0 && u64::try_from(bytes).unwrap_or(u64::MAX) >= limit
}

/// The setting `client-output-buffer-limit`.
#[derive(Debug)]
pub(crate) struct OutputLimits {
    pub(crate) normal: OutputLimit,
    /// Without effect: there are no replicas.
    pub(crate) replica: OutputLimit,
    pub(crate) subscribed: OutputLimit,
}

impl Default for OutputLimits {
    fn default() -> Self {
        const MB: u64 = 1024 * 1024;
        Self {
            normal: OutputLimit::new(NORMAL_HARD, 0, 0),
            replica: OutputLimit::new(256 * MB, 64 * MB, 60),
            subscribed: OutputLimit::new(32 * MB, 8 * MB, 60),
        }
    }
}

impl OutputLimits {
    pub(crate) fn of(&self, is_subscribed: bool) -> &OutputLimit {
        if is_subscribed { &self.subscribed } else { &self.normal }
    }
}
