//! The IDs of stream entries.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// The ID of a stream entry: a time in milliseconds, and a number that distinguishes the entries of
/// one millisecond. Prints as in Redis: `1700000000000-0`.
///
/// IDs of one stream increase, so they also order entries by time. As an end of a range, an ID that
/// is made from a time selects entries by time:
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use redis_keyspace::stream::StreamId;
///
/// let id: StreamId = "1700000000000-3".parse()?;
/// assert_eq!((id.ms, id.seq), (1_700_000_000_000, 3));
/// assert_eq!(id.to_string(), "1700000000000-3");
/// assert!(id < id.next() && StreamId::MIN < id);
///
/// let hour_ago = StreamId::from_time(SystemTime::now() - Duration::from_secs(3600));
/// assert!(id < hour_ago);
/// # Ok::<(), redis_keyspace::stream::InvalidStreamId>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// The time, in milliseconds since 1970. Usually that of the server when it added the entry.
    pub ms: u64,
    /// The number within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// The lowest ID, `0-0`. No entry has it, so all entries come after it.
    pub const MIN: Self = Self { ms: 0, seq: 0 };
    /// The highest ID.
    pub const MAX: Self = Self { ms: u64::MAX, seq: u64::MAX };

    /// Creates an ID from its two parts.
    #[must_use]
    pub const fn new(ms: u64, seq: u64) -> Self {
        Self { ms, seq }
    }

    /// Creates the first ID of a millisecond. A time before 1970 becomes [`MIN`](Self::MIN).
    #[must_use]
    pub fn from_time(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX), seq: 0 }
    }

    /// Returns the time, in whole milliseconds; `None` if it is beyond what the system can
    /// represent.
    #[must_use]
    pub fn time(self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_millis(self.ms))
    }

    /// Returns the next ID. That of [`MAX`](Self::MAX) is itself.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.checked_next() {
            Some(next) => next,
            None => self,
        }
    }

    pub(crate) const fn checked_next(self) -> Option<Self> {
        match (self.seq.checked_add(1), self.ms.checked_add(1)) {
            (Some(seq), _) => Some(Self { ms: self.ms, seq }),
            (None, Some(ms)) => Some(Self { ms, seq: 0 }),
            (None, None) => None,
        }
    }

    pub(crate) const fn checked_previous(self) -> Option<Self> {
        match (self.seq.checked_sub(1), self.ms.checked_sub(1)) {
            (Some(seq), _) => Some(Self { ms: self.ms, seq }),
            (None, Some(ms)) => Some(Self { ms, seq: u64::MAX }),
            (None, None) => None,
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        write!(f, "{}-{}", ms.format(self.ms), seq.format(self.seq))
    }
}

/// The error of a text that is not the ID of a stream entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidStreamId(());

impl fmt::Display for InvalidStreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not the ID of a stream entry: write two integers with a hyphen, such as `1700000000000-0`",
        )
    }
}

impl std::error::Error for InvalidStreamId {}

impl FromStr for StreamId {
    type Err = InvalidStreamId;

    fn from_str(text: &str) -> Result<Self, InvalidStreamId> {
        let number = |digits: &str| {
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| digits.parse().ok()).flatten()
        };
        let parts = text.split_once('-').and_then(|(ms, seq)| Some((number(ms)?, number(seq)?)));
        parts.map(|(ms, seq)| Self { ms, seq }).ok_or(InvalidStreamId(()))
    }
}

impl Serialize for StreamId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StreamId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_parsed_and_printed() {
        for text in ["0-0", "5-1", "18446744073709551615-18446744073709551615"] {
            let id: StreamId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
        }
        for text in ["", "5", "5-", "-1", "5-1-2", "+5-1", " 5-1", "5-x", "18446744073709551616-0"] {
            assert!(text.parse::<StreamId>().is_err(), "{text}");
        }
    }

    #[test]
    fn neighbours_carry_over() {
        let last = StreamId::new(5, u64::MAX);
        assert_eq!(last.checked_next(), Some(StreamId::new(6, 0)));
        assert_eq!(StreamId::new(6, 0).checked_previous(), Some(last));
        assert_eq!(StreamId::MIN.checked_previous(), None);
        assert_eq!((StreamId::MAX.checked_next(), StreamId::MAX.next()), (None, StreamId::MAX));
    }

    #[test]
    fn times_are_whole_milliseconds() {
        let time = UNIX_EPOCH + Duration::from_micros(1_500_900);
        assert_eq!(StreamId::from_time(time), StreamId::new(1500, 0));
        assert_eq!(StreamId::new(1500, 7).time(), Some(UNIX_EPOCH + Duration::from_millis(1500)));
        assert_eq!(StreamId::from_time(UNIX_EPOCH - Duration::from_secs(1)), StreamId::MIN);
    }
}
