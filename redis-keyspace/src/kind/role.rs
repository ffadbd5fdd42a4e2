//! The purpose of a kind, as data.

/// The purpose of the keys of a kind.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Stores data.
    Data,
    /// Counts.
    Counter,
    /// Stores the result of work that must not run twice.
    Once,
    /// Is held by one holder at a time.
    Lock,
    /// Counts recent events.
    RateLimit,
    /// Invalidates other keys.
    Group,
    /// Carries messages, and stores nothing.
    Channel,
}

/// How the keys of a kind store their elements, if their Redis type does not tell.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// As their Redis type tells.
    OfType,
    /// Bits of a string.
    Bitmap,
    /// A string in a format of the server.
    HyperLogLog,
    /// A sorted set whose scores are positions.
    Geo,
}

impl Role {
    /// Whether operations need a server. Programs depend on their results, so on a disabled handle
    /// even a miss would be wrong.
    pub(crate) fn needs_server(self) -> bool {
        matches!(self, Self::Counter | Self::Once | Self::Lock | Self::RateLimit)
    }
}
