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
    /// Whether an answer that is not the server's would be wrong, even as a miss: the program decides by it what to do.
    pub(crate) fn needs_server(self) -> bool {
        matches!(self, Self::Counter | Self::Once | Self::Lock | Self::RateLimit)
    }
}
