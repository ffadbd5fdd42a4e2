//! Where a value came from.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;

use super::{GetOrSet, Loader};
use crate::keyspace::Keyspace;
use crate::kind::SingleValue;

/// What a [`get_or_set`](crate::Key::get_or_set) gave, and where it came from: see [`GetOrSet::lookup`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lookup<T> {
    /// What awaiting the call without `lookup` would have given.
    pub value: T,
    /// Where it came from.
    pub source: Source,
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// It was there.
    Hit,
    /// Its lifetime was over, and it was kept for such a case: see [`GetOrSet::stale_for`].
    Stale,
    /// There is none: the loader has said so, now or [a while ago](GetOrSet::negative_ttl).
    Absent,
    /// It was loaded, for this caller or for another one at the same time.
    Filled,
    /// It was loaded because Redis is away, and stored nowhere.
    Degraded,
}

/// A [`get_or_set`](crate::Key::get_or_set) that tells where the value came from: await it. See [`GetOrSet::lookup`].
#[must_use = "nothing is read or loaded unless it is awaited"]
pub struct GetOrSetLookup<'l, S, V: SingleValue, L>(pub(super) GetOrSet<'l, S, V, L>);

impl<'l, S, V, L> IntoFuture for GetOrSetLookup<'l, S, V, L>
where
    S: Keyspace,
    V: SingleValue,
    L: Loader<V> + 'l,
{
    type Output = Result<Lookup<L::Value>, L::Failure>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'l>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.0.run())
    }
}

impl<S, V: SingleValue, L> fmt::Debug for GetOrSetLookup<'_, S, V, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GetOrSetLookup").field(&self.0).finish()
    }
}
