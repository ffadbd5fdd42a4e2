//! Where a value came from.

/// A value from [`get_or_set`](crate::Key::get_or_set), with its source; see [`GetOrSet::lookup`](super::GetOrSet::lookup).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lookup<T> {
    /// The result of the call without `lookup`.
    pub value: T,
    /// Where the value came from.
    pub source: ValueSource,
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValueSource {
    /// It existed.
    Hit,
    /// It had expired, and its [stale copy](super::GetOrSet::stale_for) was returned.
    Stale,
    /// It does not exist: the loader said so, now or [earlier](super::GetOrSet::negative_ttl).
    Absent,
    /// It was loaded, for this caller or for another one at the same time.
    Filled,
    /// It was loaded and not stored, because Redis is unavailable, [disabled](crate::Redis::disabled) or rejects writes.
    Degraded,
}
