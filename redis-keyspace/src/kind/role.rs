//! What a kind is for, as data.

/// What the keys of a kind are for.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// They hold data.
    Data,
    /// They are held by one holder at a time.
    Lock,
    /// They count recent events.
    RateLimit,
    /// They invalidate other keys.
    Group,
}
