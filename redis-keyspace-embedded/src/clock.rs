//! The one source of time: TTLs, TIME, idle times and blocking timeouts all read it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Wall time at the start plus what tokio's clock has run since, so that a paused clock pauses everything.
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

    /// Time since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        self.since_epoch.saturating_add(self.uptime())
    }

    /// The same in milliseconds, the unit of every expiry.
    pub(crate) fn now_ms(&self) -> i64 {
        i64::try_from(self.now().as_millis()).unwrap_or(i64::MAX)
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}
