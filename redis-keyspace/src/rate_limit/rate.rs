//! Rates, and the exact arithmetic of what they allow. A moment is in whole microseconds and a
//! fraction, counted in units of 1/count of a microsecond.

use std::time::Duration;

use crate::error::{Error, Result};

/// The longest recovery, in microseconds: 100 years. With it, moments stay within the integers that
/// a Lua number represents exactly.
const LONGEST: u128 = 100 * 365 * 24 * 3600 * 1_000_000;
/// The largest count. With it, fractions of a microsecond stay exact in Lua too.
const MOST: u64 = 1_000_000_000_000_000;

/// How much a limit allows: a count per period, and a burst at once.
///
/// A limit recovers steadily, one by one, not all at the end of the period: at 60 per minute, one
/// each second. Unused calls accumulate up to the burst, which is the count by default. [Fixed
/// windows](super::FixedWindow) recover differently, and accept no burst.
///
/// ```
/// use std::time::Duration;
/// use redis_keyspace::rate_limit::Rate;
///
/// const LOGINS: Rate = Rate::new(5, Duration::from_secs(300));
/// const CALLS: Rate = Rate::per_second(10).burst(50); // up to 50 at once, then 10 per second
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use = "pass the rate to `check`"]
pub struct Rate {
    count: u64,
    period: Duration,
    burst: u64,
}

impl Rate {
    /// Creates a rate of `count` per period, with a burst of `count`. The period is rounded up to
    /// whole microseconds. Zero for either is an error when the rate is used.
    pub const fn new(count: u64, period: Duration) -> Self {
        Self { count, period, burst: count }
    }

    /// Creates a rate of `count` per second.
    pub const fn per_second(count: u64) -> Self {
        Self::new(count, Duration::from_secs(1))
    }

    /// Creates a rate of `count` per minute.
    pub const fn per_minute(count: u64) -> Self {
        Self::new(count, Duration::from_secs(60))
    }

    /// Creates a rate of `count` per hour.
    pub const fn per_hour(count: u64) -> Self {
        Self::new(count, Duration::from_secs(3600))
    }

    /// Returns the largest number that can be allowed at once.
    pub(super) const fn at_once(&self) -> u64 {
        self.burst
    }

    /// Sets how many are allowed at once, after a time without use.
    pub const fn burst(mut self, burst: u64) -> Self {
        self.burst = burst;
        self
    }
}

/// A valid rate, and the cost of a check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quota {
    pub(super) count: u64,
    period: u128,
    pub(super) burst: u64,
    pub(super) cost: u64,
}

/// Whole microseconds, and a fraction in units of 1/count.
pub(super) type Span = (u64, u64);

/// The server's reply: its time, and the moment at which the limit is fully recovered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) now: u64,
    pub(super) recovered: Span,
}

impl Quota {
    pub(super) fn new(rate: Rate, cost: u64) -> Result<Self> {
        let Rate { count, period, burst } = rate;
        let micros = period.as_nanos().div_ceil(1000);
        let problem = if count == 0 || period.is_zero() || burst == 0 {
            format!(
                "a rate of {count} per {period:?} with a burst of {burst} allows nothing; set all three to at least 1"
            )
        } else if cost == 0 {
            "a cost of 0 takes nothing; use `peek` to read the state of a limit".to_owned()
        } else if cost > burst {
            format!(
                "a cost of {cost} is more than {burst}, the most that is allowed at once, so it is never allowed; lower the cost or raise the limit"
            )
        } else if count > MOST {
            format!("a count of {count} is more than {MOST}, the most that can be counted exactly")
        } else if micros.saturating_mul(u128::from(burst)) / u128::from(count) > LONGEST {
            format!("a burst of {burst} at {count} per {period:?} takes more than 100 years to recover")
        } else {
            return Ok(Self { count, period: micros, burst, cost });
        };
        Err(Error::invalid_input(problem))
    }

    /// Fails if the rate sets a burst: fixed windows have none.
    pub(super) fn check_windows(&self) -> Result<()> {
        if self.burst == self.count {
            return Ok(());
        }
        Err(Error::invalid_input(format!(
            "a limit with fixed windows has no burst, but the rate sets {}; remove `burst`, or declare the key as `RateLimit`",
            self.burst
        )))
    }

    /// Returns the period in whole microseconds.
    pub(super) fn period_micros(&self) -> u64 {
        saturated(self.period)
    }

    /// Returns how long the limit takes to recover from a cost of `number`.
    pub(super) fn span(&self, number: u64) -> Span {
        let count = u128::from(self.count);
        let total = u128::from(number) * self.period;
        (saturated(total / count), saturated(total % count))
    }

    /// Returns how long the limit takes to recover from a full burst.
    pub(super) fn window(&self) -> Duration {
        let (micros, part) = self.span(self.burst);
        Duration::from_micros(micros + u64::from(part > 0))
    }

    /// Returns the current usage, in fractions of a microsecond.
    fn used(&self, reading: Reading) -> u128 {
        let (whole, part) = reading.recovered;
        u128::from(whole.saturating_sub(reading.now)) * u128::from(self.count) + u128::from(part)
    }

    /// Returns how many more are allowed now.
    pub(super) fn remaining(&self, reading: Reading) -> u64 {
        let all = u128::from(self.burst) * self.period;
        saturated(all.saturating_sub(self.used(reading)) / self.period)
    }

    /// Returns how long until the cost is allowed. Zero if it is allowed now.
    pub(super) fn retry_after(&self, reading: Reading) -> Duration {
        let spare = u128::from(self.burst.saturating_sub(self.cost)) * self.period;
        self.duration(self.used(reading).saturating_sub(spare))
    }

    /// Returns how long until the limit has fully recovered.
    pub(super) fn reset_after(&self, reading: Reading) -> Duration {
        self.duration(self.used(reading))
    }

    /// Converts fractions to a duration, rounded up, so that a caller that waits for it waits long
    /// enough.
    fn duration(&self, parts: u128) -> Duration {
        Duration::from_micros(saturated(parts.div_ceil(u128::from(self.count))))
    }
}

fn saturated(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn errors_of_invalid_quotas_name_the_reason() {
        let second = Duration::from_secs(1);
        for (rate, cost, words) in [
            (Rate::new(0, second), 1, "allows nothing"),
            (Rate::new(1, Duration::ZERO), 1, "allows nothing"),
            (Rate::per_second(1).burst(0), 1, "allows nothing"),
            (Rate::per_second(1), 0, "`peek`"),
            (Rate::per_second(5), 6, "a cost of 6 is more than 5, the most"),
            (Rate::per_second(u64::MAX), 1, "counted exactly"),
            (Rate::new(1, Duration::MAX), 1, "100 years"),
            (Rate::per_hour(1).burst(u64::MAX), 1, "100 years"),
        ] {
            let error = Quota::new(rate, cost).unwrap_err();
            assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn spans_are_exact() {
        let quota = Quota::new(Rate::per_second(7).burst(21), 1).unwrap();
        assert_eq!(
            (quota.span(1), quota.span(7), quota.span(21)),
            ((142_857, 1), (1_000_000, 0), (3_000_000, 0))
        );
        assert_eq!(Quota::new(Rate::new(1, Duration::from_nanos(1)), 1).unwrap().span(1), (1, 0));
        let fast = Quota::new(Rate::per_second(3_000_000), 1).unwrap();
        assert_eq!((fast.span(1), fast.window()), ((0, 1_000_000), Duration::from_secs(1)));
    }
}
