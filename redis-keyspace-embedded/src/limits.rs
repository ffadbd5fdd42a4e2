//! Limits of the output buffers of connections.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// The default for connections without subscriptions. A real server has no limit here, but this
/// server must not exhaust the memory of the test process.
const NORMAL_HARD: u64 = 1024 * 1024 * 1024;

/// The limits of one class of connections. 0 means no limit.
#[derive(Debug)]
pub(crate) struct OutputLimit {
    /// The size in bytes at which the connection is closed at once.
    hard: AtomicU64,
    /// The size in bytes at which the connection is closed if it lasts for some time.
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

    /// Returns the smallest size that exceeds the limit, or `usize::MAX` if there is no limit.
    pub(crate) fn hard(&self) -> usize {
        least_excess(&self.hard)
    }

    /// Whether the hard limit is reached.
    pub(crate) fn is_reached(&self, bytes: usize) -> bool {
        bytes >= self.hard()
    }

    /// Whether the soft limit is reached.
    pub(crate) fn is_soft_reached(&self, bytes: usize) -> bool {
        bytes >= least_excess(&self.soft)
    }

    /// Returns how long the soft limit may be exceeded. A real server counts whole seconds, and
    /// closes a connection when the count is greater than the setting.
    pub(crate) fn grace(&self) -> Duration {
        Duration::from_secs(self.soft_seconds.load(Ordering::Relaxed).saturating_add(1))
    }
}

fn least_excess(limit: &AtomicU64) -> usize {
    match limit.load(Ordering::Relaxed) {
        0 => usize::MAX,
        limit => usize::try_from(limit).unwrap_or(usize::MAX),
    }
}

/// The setting `client-output-buffer-limit`.
#[derive(Debug)]
pub(crate) struct OutputLimits {
    pub(crate) normal: OutputLimit,
    /// Without effect: there are no replicas.
    pub(crate) replica: OutputLimit,
    pub(crate) subscribed: OutputLimit,
    changes: watch::Sender<()>,
}

impl Default for OutputLimits {
    fn default() -> Self {
        const MB: u64 = 1024 * 1024;
        Self {
            normal: OutputLimit::new(NORMAL_HARD, 0, 0),
            replica: OutputLimit::new(256 * MB, 64 * MB, 60),
            subscribed: OutputLimit::new(32 * MB, 8 * MB, 60),
            changes: watch::Sender::new(()),
        }
    }
}

impl OutputLimits {
    pub(crate) fn of(&self, is_subscribed: bool) -> &OutputLimit {
        if is_subscribed { &self.subscribed } else { &self.normal }
    }
    /// Returns a receiver that notifies a connection of changes.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Wakes all connections. Lower limits also apply to connections that neither send nor read.
    pub(crate) fn announce_change(&self) {
        self.changes.send_replace(());
    }
}
