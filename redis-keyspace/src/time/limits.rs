//! Arithmetic on durations from callers. `Duration::MAX` often means "no limit", and the operators
//! of `Duration` and `Instant` panic on it. Use these functions, or methods that saturate.

use std::time::Duration;

use tokio::time::Instant;

use super::deadline::Deadline;
use super::expiry::millis;
use crate::error::{Error, Result};

/// The longest lifetime that Redis supports, about 70 million years.
pub(crate) const LONGEST_LIFETIME: Duration = Duration::from_millis(1 << 61);

/// Returns the moment `limit` from now, at most seven days from now.
pub(crate) fn from_now(limit: Duration) -> Instant {
    Deadline::after(limit).at()
}

/// Returns a fraction of a duration, at most the whole of it.
pub(crate) fn part_of(duration: Duration, part: f64) -> Duration {
    if part >= 1.0 {
        return duration;
    }
    // NaN and negative parts count as 0.
    let part = part.max(0.0);
    Duration::try_from_secs_f64(duration.as_secs_f64() * part).unwrap_or(duration).min(duration)
}

/// Fails if a lifetime is zero or longer than Redis supports. Call it before doing the work whose
/// result is stored with this lifetime.
pub(crate) fn check_lifetime(lifetime: Duration) -> Result<()> {
    if lifetime.is_zero() {
        return Err(Error::invalid_input("a lifetime of zero stores nothing; call `del` to delete"));
    }
    millis(lifetime).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Duration; 7] = [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_secs(1),
        LONGEST_LIFETIME,
        LONGEST_LIFETIME.saturating_add(Duration::from_millis(1)),
        Duration::from_secs(u64::MAX),
        Duration::MAX,
    ];

    #[test]
    fn parts_are_within_the_whole() {
        for duration in ALL {
            for part in [0.0, 1e-300, 0.1, 0.5, 1.0 - f64::EPSILON, 1.0, 2.0, -1.0, f64::NAN, f64::INFINITY] {
                assert!(part_of(duration, part) <= duration, "{duration:?} {part}");
            }
            assert_eq!(part_of(duration, 1.0), duration);
            assert_eq!(part_of(duration, 0.0), Duration::ZERO);
        }
        assert_eq!(part_of(Duration::from_secs(10), 0.5), Duration::from_secs(5));
    }

    #[test]
    fn moments_and_lifetimes_are_bounded() {
        for duration in ALL {
            assert!(from_now(duration) <= Instant::now() + Deadline::LONGEST);
            let is_lifetime = duration > Duration::ZERO && duration <= LONGEST_LIFETIME;
            assert_eq!(check_lifetime(duration).is_ok(), is_lifetime, "{duration:?}");
        }
    }
}
