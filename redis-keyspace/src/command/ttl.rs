//! The remaining TTL of a key.

use std::time::Duration;

/// The remaining TTL of a key or of a field, returned by [`Key::ttl`](crate::Key::ttl) and
/// [`Key::httl`](crate::Key::httl).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ttl {
    /// The key, or the field of a hash, does not exist.
    NoKey,
    /// It never expires.
    NoExpiry,
    /// It expires after this time, with a resolution of milliseconds.
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
