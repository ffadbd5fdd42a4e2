//! Pauses between attempts.

use std::time::Duration;

use super::limits::part_of;

/// Pauses that double up to a limit. Each one is shortened at random by up to a half, so that many
/// callers do not retry at the same moment.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
    factor: u32,
}

impl Backoff {
    /// Starts at `first` and doubles up to `longest`.
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first.min(longest), longest, factor: 2 }
    }

    /// Multiplies by `factor` instead of 2.
    pub(crate) fn growing_by(mut self, factor: u32) -> Self {
        self.factor = factor;
        self
    }

    /// The upper bound of the next pause.
    pub(crate) fn at_most(&self) -> Duration {
        self.next
    }

    /// Returns the next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next - part_of(self.next / 2, fastrand::f64());
        self.next = self.next.saturating_mul(self.factor).min(self.longest);
        pause
    }
}

/// Returns a pause at random, between a half and one and a half of `pause`.
pub(crate) fn jittered(pause: Duration) -> Duration {
    (pause / 2).saturating_add(part_of(pause, fastrand::f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_vary_and_stay_bounded() {
        let (first, longest) = (Duration::from_millis(20), Duration::from_secs(1));
        let mut backoff = Backoff::new(first, longest);
        for nth in 0..100_u32 {
            let whole = first.saturating_mul(1 << nth.min(16)).min(longest);
            assert_eq!(backoff.at_most(), whole);
            let pause = backoff.pause();
            assert!(pause >= whole / 2 && pause <= whole, "{nth}: {pause:?}");
        }
        let pauses = (0..100).map(|_| Backoff::new(longest, longest).pause());
        assert!(pauses.collect::<std::collections::HashSet<_>>().len() > 50);
        assert!((0..100).map(|_| jittered(first)).collect::<std::collections::HashSet<_>>().len() > 50);
    }

    #[test]
    fn the_longest_durations_do_not_overflow() {
        let mut backoff = Backoff::new(Duration::MAX, Duration::MAX).growing_by(4);
        assert!(backoff.pause() > Duration::from_secs(1) && backoff.pause() > Duration::from_secs(1));
    }
}
