//! What a kind is for, as data.

/// What the keys of a kind are for.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// They hold data.
    Data,
    /// They count.
    Counter,
    /// They hold the results of work that must not run twice.
    Once,
    /// They are held by one holder at a time.
    Lock,
    /// They count recent events.
    RateLimit,
    /// They invalidate other keys.
    Group,
}

impl Role {
    /// Whether operations need a server: programs depend on their results, so even a miss on a disabled handle would be wrong.
    pub(crate) fn needs_server(self) -> bool {
        matches!(self, Self::Counter | Self::Once | Self::Lock | Self::RateLimit)
    }
}
