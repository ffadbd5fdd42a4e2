//! Lifetimes as arguments of commands.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::command::Args;
use crate::error::{Error, Result};
use crate::keyspace::Lifetime;

/// When a value that is written shall expire.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expiry {
    After(Duration),
    At(SystemTime),
    /// As the value that is there.
    Keep,
    Never,
}

impl From<Lifetime> for Expiry {
    fn from(lifetime: Lifetime) -> Self {
        lifetime.duration().map_or(Self::Never, Self::After)
    }
}

impl Expiry {
    /// Adds what `SET` takes.
    pub(crate) fn push_for_set(self, args: &mut Args) -> Result<()> {
        match self {
            Self::After(duration) => push_duration(duration, args),
            Self::At(time) => {
                args.push(b"PXAT");
                args.push_int(unix_millis(time)?);
                Ok(())
            }
            Self::Keep => {
                args.push(b"KEEPTTL");
                Ok(())
            }
            Self::Never => Ok(()),
        }
    }
}

/// Whole seconds as `EX`, which is how people write them by hand; everything else as `PX`.
pub(crate) fn push_duration(duration: Duration, args: &mut Args) -> Result<()> {
    let millis = millis(duration)?;
    if millis == 0 {
        return Err(Error::invalid_input("a lifetime of zero stores nothing; call `del` to delete"));
    }
    if millis % 1000 == 0 {
        args.push(b"EX");
        args.push_int(millis / 1000);
    } else {
        args.push(b"PX");
        args.push_int(millis);
    }
    Ok(())
}

/// The duration in whole milliseconds, which is as fine as Redis keeps time; rounded up, so that it never becomes
/// the zero that deletes.
pub(crate) fn millis(duration: Duration) -> Result<i64> {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    i64::try_from(millis).ok().filter(|&millis| millis <= i64::MAX / 4).ok_or_else(|| {
        Error::invalid_input(format!(
            "a lifetime of {duration:?} is more than Redis can count; use one without end"
        ))
    })
}

pub(crate) fn unix_millis(time: SystemTime) -> Result<i64> {
    let since = time
        .duration_since(UNIX_EPOCH)
        .map_err(|_| Error::invalid_input("a time before 1970 can't be the end of a lifetime"))?;
    // Zero is no time that Redis takes.
    millis(since).map(|millis| millis.max(1))
}

/// What is left of a key's lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ttl {
    /// There is no such key.
    Missing,
    /// It stays until it is deleted.
    Forever,
    /// It expires after this time; precise to a millisecond.
    Left(Duration),
}

impl Ttl {
    /// The time that is left, for a key that is there and expires.
    #[must_use]
    pub fn left(self) -> Option<Duration> {
        match self {
            Self::Left(duration) => Some(duration),
            Self::Missing | Self::Forever => None,
        }
    }
}
