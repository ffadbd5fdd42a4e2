//! The deadline of an operation, and the limit that it was computed from.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::error::{Budget, Error};

/// The deadline of an operation. It covers waiting for a connection, connecting and the reply.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// The upper bound of all limits. A longer limit would overflow the clock.
    pub(crate) const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

    /// The deadline of an operation that starts now.
    #[inline]
    pub(crate) fn after(limit: Duration) -> Self {
        let limit = limit.min(Self::LONGEST);
        Self { at: Instant::now() + limit, limit }
    }

    #[inline]
    pub(crate) fn at(self) -> Instant {
        self.at
    }

    /// Returns the moment `after` the start of the operation, or the deadline if that is earlier.
    #[inline]
    pub(crate) fn early(self, after: Duration) -> Instant {
        self.at - self.limit.saturating_sub(after)
    }

    /// The limit of the whole operation.
    #[inline]
    pub(crate) fn limit(self) -> Duration {
        self.limit
    }

    /// The deadline of the same operation, if it started at this time.
    pub(crate) fn if_started(self, started: Instant) -> Self {
        Self { at: started + self.limit, limit: self.limit }
    }

    /// Returns the time that is left.
    pub(crate) fn remaining(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// The deadline of a part of the operation that starts now and takes at most this long.
    pub(crate) fn at_most(self, limit: Duration) -> Self {
        Self::after(self.remaining().min(limit))
    }

    /// Returns the error for a deadline that passed in this phase of the operation.
    pub(crate) fn passed(self, budget: Budget) -> Error {
        Error::timeout(budget, self.limit)
    }

    /// Awaits a part of the operation until the deadline.
    pub(crate) async fn bound<T>(self, budget: Budget, part: impl Future<Output = T>) -> Result<T, Error> {
        timeout_at(self.at, part).await.map_err(|_| self.passed(budget))
    }
}
