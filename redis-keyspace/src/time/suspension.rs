//! Measures how long the machine was suspended.

use std::time::{Duration, Instant, SystemTime};

/// Smaller differences between the two clocks come from adjustments of the wall clock.
const NOTICED: Duration = Duration::from_secs(1);

/// Measures how long the machine was suspended since it was started.
///
/// The monotonic clock of a virtual machine or serverless instance stops while it is frozen. The
/// server's clock does not, so data that the server kept for this process may have expired. The
/// wall clock is corrected after the thaw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SuspensionClock {
    // Not tokio's clock, which tests can pause.
    monotonic: Instant,
    wall: SystemTime,
}

impl SuspensionClock {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// Returns how much more time passed on the wall clock than on the monotonic clock, or zero if
    /// the difference is at most a second.
    pub(crate) fn suspended(&self) -> Duration {
        let passed = self.wall.elapsed().unwrap_or_default();
        let difference = passed.saturating_sub(self.monotonic.elapsed());
        if difference > NOTICED { difference } else { Duration::ZERO }
    }

    /// Returns a clock that was started before a suspension of this length.
    #[cfg(test)]
    pub(crate) fn before_suspension(length: Duration) -> Self {
        let Self { monotonic, wall } = Self::start();
        Self { monotonic, wall: wall - length }
    }
}

/// A moment by tokio's clock, and the suspensions of the machine since then.
///
/// What a server granted or returned is as old as its request: the machine may have been suspended
/// while the reply was on the way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) at: tokio::time::Instant,
    pub(crate) clock: SuspensionClock,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { at: tokio::time::Instant::now(), clock: SuspensionClock::start() }
    }

    /// Returns the time since then, including that of suspensions.
    pub(crate) fn elapsed(&self) -> Duration {
        self.at.elapsed().saturating_add(self.clock.suspended())
    }

    /// Returns a moment just before a suspension of this length.
    #[cfg(test)]
    pub(crate) fn before_suspension(length: Duration) -> Self {
        Self { at: tokio::time::Instant::now(), clock: SuspensionClock::before_suspension(length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_suspensions_count() {
        assert_eq!(SuspensionClock::start().suspended(), Duration::ZERO);
        let short = SuspensionClock::before_suspension(Duration::from_millis(500));
        assert_eq!(short.suspended(), Duration::ZERO);
        let long = SuspensionClock::before_suspension(Duration::from_secs(60));
        assert!(long.suspended() >= Duration::from_secs(59), "{:?}", long.suspended());
        // The wall clock was set back.
        let back = SuspensionClock { wall: SystemTime::now() + Duration::from_secs(60), ..long };
        assert_eq!(back.suspended(), Duration::ZERO);
    }
}
