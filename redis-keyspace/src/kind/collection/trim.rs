//! How the length of a stream is limited.

use std::fmt;

use super::stream_id::StreamId;

/// How a stream is trimmed: which of its oldest entries are removed. An option of
/// [`xadd`](crate::Key::xadd) and the argument of [`xtrim`](crate::Key::xtrim).
///
/// By default, trimming is approximate: the server removes only whole blocks of entries, which is
/// much cheaper. So **at least** this many entries stay, and possibly about a hundred more, or
/// fewer if they are large. [`exact`](Self::exact) removes each entry.
///
/// Trimming knows nothing of consumer groups: it also removes entries that no group has read.
///
/// ```
/// use redis_keyspace::stream::{StreamId, Trim};
///
/// assert_eq!(Trim::max_len(1000).to_string(), "~1000");
/// assert_eq!(Trim::max_len(1000).exact().to_string(), "1000");
/// assert_eq!(Trim::min_id(StreamId::new(5, 0)).exact().to_string(), "from 5-0");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "pass it to `xadd(..).trim(..)` or `xtrim`"]
pub struct Trim {
    pub(crate) keeps: TrimBound,
    pub(crate) is_exact: bool,
    pub(crate) limit: Option<u64>,
}

/// Which entries stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrimBound {
    Last(u64),
    From(StreamId),
}

impl Trim {
    const fn to(keeps: TrimBound) -> Self {
        Self { keeps, is_exact: false, limit: None }
    }

    /// Keeps the newest `count` entries.
    pub const fn max_len(count: u64) -> Self {
        Self::to(TrimBound::Last(count))
    }

    /// Removes the entries before this ID.
    pub const fn min_id(id: StreamId) -> Self {
        Self::to(TrimBound::From(id))
    }

    /// Removes each entry beyond the limit, which costs the server more.
    pub const fn exact(self) -> Self {
        Self { is_exact: true, ..self }
    }

    /// Limits how many entries one command removes. Only for approximate trimming. 0 means no
    /// limit; the server's default is 100 blocks.
    pub const fn limit(self, count: u64) -> Self {
        Self { limit: Some(count), ..self }
    }
}

impl fmt::Display for Trim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_exact {
            f.write_str("~")?;
        }
        match self.keeps {
            TrimBound::Last(count) => write!(f, "{count}"),
            TrimBound::From(id) => write!(f, "from {id}"),
        }
    }
}

/// What a declaration says about trimming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrimPolicy {
    /// Nothing. The kind is not a stream, or the keys expire.
    Unset,
    /// `trim = none`: the program trims, or the stream grows.
    None,
    /// Each `xadd` trims.
    To(Trim),
}

impl TrimPolicy {
    /// Returns the text that the catalog shows.
    pub(crate) fn text(self) -> Option<String> {
        match self {
            Self::Unset => None,
            Self::None => Some("none".to_owned()),
            Self::To(trim) => Some(trim.to_string()),
        }
    }
}
