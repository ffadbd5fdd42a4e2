//! Ranges of members of sorted sets, in the order of their bytes.

use std::ops::RangeBounds;

use super::base::{self, KeyOptions};
use super::docs::{reading, removing};
use super::lex_range::LexRange;
use super::sorted_sets::{Section, ZRange, ZRangeOptions};
use crate::command::base::Command;
use crate::command::builder::Deferred;
use crate::kind::{SingleValue, SortedSet};
use crate::schema::{Key, Keyspace};

/// Ranges of members, for sorted sets in which all scores are equal; see [`SortedSet`].
impl<S: Keyspace, T: SingleValue> Key<S, SortedSet<T>> {
    /// Returns the members in a range, in the order of their bytes. All scores must be equal;
    /// otherwise the result is undefined.
    ///
    /// [`rev`](ZRange::rev) reverses the order, [`limit`](ZRange::limit) returns a part of the
    /// range, and [`store`](ZRange::store) keeps the members in another sorted set. Numbers are
    /// compared as text, so 10 comes before 9.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "names", ttl = none)]
    /// # struct NameKeys { index: fn(shop: u64) -> SortedSet<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let names = NameKeys::index(1);
    /// names.zadd_many([("ada", 0.0), ("alan", 0.0), ("grace", 0.0)]).await?;
    /// assert_eq!(names.zrange_by_lex("a".."b").await?, ["ada", "alan"]);
    /// assert_eq!(names.zrange_by_lex("alan"..).rev().await?, ["grace", "alan"]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZRANGE")]
    #[doc(alias = "BYLEX")]
    #[doc(alias = "ZRANGEBYLEX")]
    #[doc(alias = "ZREVRANGEBYLEX")]
    pub fn zrange_by_lex<'a>(
        &self,
        members_between: impl RangeBounds<&'a T::Borrowed>,
    ) -> ZRange<S, T, Vec<T::Owned>>
    where
        T::Borrowed: 'a,
    {
        let section = LexRange::new::<S, T>(self, &members_between).map(Section::Members);
        ZRange(Deferred::Building(KeyOptions::new(self, ZRangeOptions::new(section, base::elements::<T>))))
    }

    /// Returns the number of members in a range, in the order of their bytes. All scores must be
    /// equal.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "names", ttl = none)]
    /// # struct NameKeys { index: fn(shop: u64) -> SortedSet<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// NameKeys::index(1).zadd_many([("ada", 0.0), ("grace", 0.0)]).await?;
    /// assert_eq!(NameKeys::index(1).zlex_count("a".."b").await?, 1);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZLEXCOUNT")]
    pub fn zlex_count<'a>(&self, members_between: impl RangeBounds<&'a T::Borrowed>) -> Command<u64>
    where
        T::Borrowed: 'a,
    {
        let range = LexRange::new::<S, T>(self, &members_between);
        Command::read_of(self, "ZLEXCOUNT", |args| range.map(|range| range.push(args)), base::size)
    }

    /// Removes the members in a range, in the order of their bytes. Returns how many. All scores
    /// must be equal.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "names", ttl = none)]
    /// # struct NameKeys { index: fn(shop: u64) -> SortedSet<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// NameKeys::index(1).zadd_many([("ada", 0.0), ("grace", 0.0)]).await?;
    /// assert_eq!(NameKeys::index(1).zrem_range_by_lex("b"..).await?, 1);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "ZREMRANGEBYLEX")]
    pub fn zrem_range_by_lex<'a>(&self, members_between: impl RangeBounds<&'a T::Borrowed>) -> Command<u64>
    where
        T::Borrowed: 'a,
    {
        let range = LexRange::new::<S, T>(self, &members_between);
        Command::removal_of(self, "ZREMRANGEBYLEX", |args| range.map(|range| range.push(args)), base::size)
    }
}
