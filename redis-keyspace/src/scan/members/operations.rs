//! The scans of hashes, sets and sorted sets.

use super::stream::{HScan, SScan, ZScan};
use crate::kind::{Hash, Set, SingleValue, SortedSet};
use crate::schema::{Key, Keyspace};

/// The documentation that the scans share.
macro_rules! scanning {
    () => {
        "
The elements are read page by page, so the server is never busy with the whole collection. An element
that exists during the whole scan is returned; one that is added or removed meanwhile may or may not be.
Each is returned once: the stream remembers a hash of each, about 50 bytes, unless
`allow_repeats` is set.

If the server restarts, is replaced, or gives the key to another node of a cluster, the scan starts again
there. This call does no I/O.

# Errors

The items are results. If a page can't be read, the error is an item, and the stream ends after it, so
that an incomplete scan never looks complete. An element that is not of the declared kind is a
[`Decode`](crate::ErrorKind::Decode) error, after which the stream continues.

# Cancellation

Dropping the stream ends the scan and leaves nothing on the server.

# Round trips

One for each page."
    };
}

/// Scans of hashes; see [`Hash`](struct@Hash).
impl<S: Keyspace, F: SingleValue, V: SingleValue> Key<S, Hash<F, V>> {
    /// Returns the fields of a large hash with their values, as a stream.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "org", ttl = "1d")]
    /// # struct OrgKeys { flags: fn(id: u64) -> Hash<Text, bool> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// OrgKeys::flags(1).hset_many([("alpha", false), ("beta", true)]).await?;
    /// let mut scan = OrgKeys::flags(1).hscan().batch(100);
    /// let mut enabled = Vec::new();
    /// while let Some((flag, is_on)) = scan.next().await.transpose()? {
    ///     enabled.extend(is_on.then_some(flag));
    /// }
    /// assert_eq!(enabled, ["beta"]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = scanning!()]
    #[doc(alias = "HSCAN")]
    pub fn hscan(&self) -> HScan<S, F, V, (F::Owned, V::Owned)> {
        HScan::new(self)
    }
}

/// Scans of sets; see [`Set`](crate::Set).
impl<S: Keyspace, T: SingleValue> Key<S, Set<T>> {
    /// Returns the members of a large set, as a stream.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// RoomKeys::online(1).sadd_many([7, 8]).await?;
    /// let mut scan = RoomKeys::online(1).sscan();
    /// let mut sum = 0;
    /// while let Some(member) = scan.next().await.transpose()? {
    ///     sum += member;
    /// }
    /// assert_eq!(sum, 15);
    /// # Ok(()) }).await }
    /// ```
    #[doc = scanning!()]
    #[doc(alias = "SSCAN")]
    pub fn sscan(&self) -> SScan<S, T, T::Owned> {
        SScan::new(self)
    }
}

/// Scans of sorted sets; see [`SortedSet`](crate::SortedSet).
impl<S: Keyspace, T: SingleValue> Key<S, SortedSet<T>> {
    /// Returns the members of a large sorted set with their scores, as a stream, in no order.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = "1d")]
    /// # struct GameKeys { scores: fn(id: u64) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// GameKeys::scores(1).zadd_many([(7, 1.5), (8, 2.5)]).await?;
    /// let mut scan = GameKeys::scores(1).zscan();
    /// let mut sum = 0.0;
    /// while let Some((_, score)) = scan.next().await.transpose()? {
    ///     sum += score;
    /// }
    /// assert_eq!(sum, 4.0);
    /// # Ok(()) }).await }
    /// ```
    #[doc = scanning!()]
    #[doc(alias = "ZSCAN")]
    pub fn zscan(&self) -> ZScan<S, T, (T::Owned, f64)> {
        ZScan::new(self)
    }
}
