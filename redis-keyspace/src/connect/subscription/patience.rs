//! How long slow readers may hold up a connection.

use std::time::Duration;

use tokio::time::Instant;

/// The longest time in a row. Meanwhile, the server keeps the messages of all subscriptions of the
/// connection.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);
/// A quarter of the time without waiting is added to the budget.
const REGAINED: u32 = 4;

/// The time that a connection may still spend on waiting for all its readers together. It comes
/// back slowly, so even many slow readers hold up the connection only a fifth of the time.
#[derive(Debug)]
pub(super) struct ReaderPatience {
    left: Duration,
    since: Instant,
}

impl ReaderPatience {
    pub(super) fn new() -> Self {
        Self { left: PATIENCE, since: Instant::now() }
    }

    /// Returns how long the connection may wait now.
    pub(super) fn left(&mut self) -> Duration {
        let now = Instant::now();
        self.left = PATIENCE.min(self.left + now.duration_since(self.since) / REGAINED);
        self.since = now;
        self.left
    }

    /// Records that the connection has waited.
    pub(super) fn spend(&mut self, waited: Duration) {
        self.left = self.left.saturating_sub(waited);
        self.since = Instant::now();
    }
}
