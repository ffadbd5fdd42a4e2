//! The clock of a server, for TTLs, TIME, idle times and blocking timeouts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The wall time at the start, plus the time on tokio's clock since then. A paused tokio clock
/// pauses it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    since_epoch: Duration,
    started: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { since_epoch, started: Instant::now() }
    }

    /// Returns the time since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        self.since_epoch.saturating_add(self.uptime())
    }

    /// Returns the time since the Unix epoch in milliseconds, the unit of expiries.
    pub(crate) fn now_ms(&self) -> i64 {
        i64::try_from(self.now().as_millis()).unwrap_or(i64::MAX)
    }

    /// Returns the moment at which [`Self::now_ms`] reaches a time, if the clock does not overflow.
    pub(crate) fn at_ms(&self, time: i64) -> Option<Instant> {
        let since_epoch = Duration::from_millis(u64::try_from(time).unwrap_or_default());
        self.started.checked_add(since_epoch.saturating_sub(self.since_epoch))
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}
