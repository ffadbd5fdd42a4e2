//! Time that passed while the machine was suspended.

use std::time::{Duration, Instant, SystemTime};

/// Shorter differences of the two clocks come from adjusting the wall clock.
const NOTICED: Duration = Duration::from_secs(1);

/// Finds out how long the machine was suspended since a moment.
///
/// A virtual machine or serverless instance that is frozen and thawed does not count that time on its monotonic clock. The
/// server counted it, so what it kept for this process may have expired. The wall clock is set again after the thaw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SuspensionClock {
    // Not tokio's, which tests stop.
    monotonic: Instant,
    wall: SystemTime,
}

impl SuspensionClock {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// Returns how much more time passed on the wall clock than on the monotonic clock, if that is more than a second.
    pub(crate) fn suspended(&self) -> Duration {
        let passed = self.wall.elapsed().unwrap_or_default();
        let difference = passed.saturating_sub(self.monotonic.elapsed());
        if difference > NOTICED { difference } else { Duration::ZERO }
    }

    /// A clock that was started before the machine was suspended for this long.
    #[cfg(test)]
    pub(crate) fn before_suspension(length: Duration) -> Self {
        let Self { monotonic, wall } = Self::start();
        Self { monotonic, wall: wall - length }
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
