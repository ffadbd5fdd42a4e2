//! The expiry of values, in the units of Redis.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};

/// The expiry that a write sets.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expiry {
    After(Duration),
    At(SystemTime),
    /// Keeps the expiry of the replaced value.
    Keep,
    Never,
}

impl Expiry {
    /// Returns the lifetime in milliseconds, or the time of its end; 0 without one.
    pub(crate) fn in_millis(self) -> Result<i64> {
        match self {
            Self::After(lifetime) if lifetime.is_zero() => {
                Err(Error::invalid_input("a TTL of zero would delete the key; use `del`"))
            }
            Self::After(lifetime) => millis(lifetime),
            Self::At(time) => unix_millis(time),
            Self::Keep | Self::Never => Ok(0),
        }
    }
}

/// The maximum lifetime in milliseconds. The server adds the current time to it, and the sum must
/// not overflow.
const LONGEST: i64 = 1 << 61;

/// Returns the duration in whole milliseconds, the resolution of Redis. Rounds up, because a
/// lifetime of zero would delete the key.
pub(crate) fn millis(duration: Duration) -> Result<i64> {
    // Dividing the nanoseconds, a `u128`, would be slow.
    let below_second = i64::from(duration.subsec_nanos().div_ceil(1_000_000));
    let whole = i64::try_from(duration.as_secs()).ok().and_then(|seconds| seconds.checked_mul(1000));
    let millis = whole.and_then(|whole| whole.checked_add(below_second));
    millis.filter(|&millis| millis <= LONGEST).ok_or_else(|| {
        Error::invalid_input(format!(
            "a lifetime of {duration:?} is longer than Redis supports; use a template with `ttl = none`"
        ))
    })
}

pub(crate) fn unix_millis(time: SystemTime) -> Result<i64> {
    let since = time
        .duration_since(UNIX_EPOCH)
        .map_err(|_| Error::invalid_input("an expiry time before 1970 is not supported"))?;
    // Redis rejects zero.
    millis(since).map(|millis| millis.max(1))
}
