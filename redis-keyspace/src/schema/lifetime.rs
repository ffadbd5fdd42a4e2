//! The lifetime of keys.

use std::time::Duration;

use crate::time::Expiry;

/// The declared TTL of the keys of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lifetime {
    /// The keys expire after this duration. Every write that creates or replaces the value sets it.
    Expires(Duration),
    /// The keys never expire: `ttl = none`.
    Forever,
}

impl Lifetime {
    #[doc(hidden)]
    #[must_use]
    pub const fn millis(millis: u64) -> Self {
        Self::Expires(Duration::from_millis(millis))
    }

    /// Returns the duration, or `None` for keys that never expire.
    #[must_use]
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::Expires(duration) => Some(duration),
            Self::Forever => None,
        }
    }
}

impl From<Lifetime> for Expiry {
    fn from(lifetime: Lifetime) -> Self {
        lifetime.duration().map_or(Self::Never, Self::After)
    }
}
