//! Arithmetic on durations that come from outside. `Duration::MAX` often means "no limit", and the operators of `Duration` and
//! `Instant` panic on it: use these functions, or methods that saturate.

use std::time::Duration;

use tokio::time::Instant;

use super::deadline::Deadline;
use super::expiry::millis;
use crate::error::{Error, Result};

/// The longest lifetime that Redis keeps, about 70 million years.
pub(crate) const LONGEST_LIFETIME: Duration = Duration::from_millis(1 << 61);

/// The moment this long from now; a longer wait than seven days counts as that.
pub(crate) fn from_now(limit: Duration) -> Instant {
    Deadline::after(limit).at()
}

/// A part of a duration, at most all of it.
pub(crate) fn part_of(duration: Duration, part: f64) -> Duration {
    if part >= 1.0 {
        return duration;
    }
    // NaN and negative parts count as 0.
    let part = part.max(0.0);
    Duration::try_from_secs_f64(duration.as_secs_f64() * part).unwrap_or(duration).min(duration)
}

/// Fails if a lifetime is zero, or longer than Redis keeps: before any work is done for what it is the lifetime of.
pub(crate) fn check_lifetime(lifetime: Duration) -> Result<()> {
    if lifetime.is_zero() {
        return Err(Error::invalid_input("a lifetime of zero stores nothing; call `del` to delete"));
    }
    millis(lifetime).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Duration; 6] = [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_secs(1),
        LONGEST_LIFETIME,
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
    fn moments_and_lifetimes_have_an_end() {
        for duration in ALL {
            assert!(from_now(duration) <= Instant::now() + Deadline::LONGEST);
            let is_lifetime = duration > Duration::ZERO && duration <= LONGEST_LIFETIME;
            assert_eq!(check_lifetime(duration).is_ok(), is_lifetime, "{duration:?}");
        }
    }
}
