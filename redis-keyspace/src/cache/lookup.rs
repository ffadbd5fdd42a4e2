//! Where a value came from.

/// A value returned by [`get_or_set`](crate::Key::get_or_set), with its source. See
/// [`GetOrSet::lookup`](super::GetOrSet::lookup).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lookup<T> {
    /// The value, as the call returns it without `lookup`.
    pub value: T,
    /// Where the value came from.
    pub source: ValueSource,
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValueSource {
    /// The value existed.
    Hit,
    /// The value had expired, and its [stale copy](super::GetOrSet::stale_for) was returned.
    Stale,
    /// The loader found no value, in this call or in an [earlier
    /// one](super::GetOrSet::negative_ttl).
    Absent,
    /// The value was loaded, by this caller or by another one at the same time.
    Filled,
    /// The value was loaded and not stored, because Redis is unavailable,
    /// [disabled](crate::Redis::disabled) or rejects writes.
    Degraded,
}
