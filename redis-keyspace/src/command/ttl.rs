//! The remaining TTL of a key.

use std::time::Duration;

/// The remaining TTL of a key, returned by [`Key::ttl`](crate::Key::ttl).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ttl {
    /// The key does not exist.
    NoKey,
    /// The key never expires.
    NoExpiry,
    /// The key expires after this time, with a resolution of milliseconds.
    Remaining(Duration),
}

impl Ttl {
    /// Returns the remaining time; `None` if the key does not exist or never expires.
    #[must_use]
    pub fn remaining(self) -> Option<Duration> {
        match self {
            Self::Remaining(duration) => Some(duration),
            Self::NoKey | Self::NoExpiry => None,
        }
    }
}
