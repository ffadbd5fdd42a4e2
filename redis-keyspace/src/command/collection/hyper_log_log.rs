//! The operations of HyperLogLogs.

use std::borrow::Borrow;

use super::base;
use super::docs::{reading, writing};
use super::several::{self, SeveralKeys, Store};
use crate::command::base::Command;
use crate::error::Result;
use crate::kind::{HyperLogLog, SingleValue};
use crate::protocol::{Args, KeyCount, Replies, Request, read};
use crate::schema::{Key, Keyspace};

/// Operations of HyperLogLogs; see [`HyperLogLog`].
impl<S: Keyspace, T: SingleValue> Key<S, HyperLogLog<T>> {
    /// Adds elements. Returns whether the count may have changed: `true` if at least one of them
    /// was probably new. Without elements, nothing is sent, and the result is `false`.
    ///
    /// Thousands of elements are sent as several commands in one transaction.
    ///
    /// ```
    /// # use redis_keyspace::{HyperLogLog, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "visitors", ttl = "90d")]
    /// # struct VisitorKeys { day: fn(day: u32) -> HyperLogLog<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(VisitorKeys::day(1).pf_add([7, 8]).await?);
    /// assert!(!VisitorKeys::day(1).pf_add([7]).await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "PFADD")]
    pub fn pf_add<B: Borrow<T::Borrowed>>(&self, elements: impl IntoIterator<Item = B>) -> Command<bool> {
        Command::write_many_of(self, "PFADD", &[], base::each::<S, _, T, B>(self, elements), changed)
    }

    /// Returns about how many different elements were added; 0 if nothing was.
    ///
    /// ```
    /// # use redis_keyspace::{HyperLogLog, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "visitors", ttl = "90d")]
    /// # struct VisitorKeys { day: fn(day: u32) -> HyperLogLog<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// VisitorKeys::day(1).pf_add([7, 8, 7]).await?;
    /// assert_eq!(VisitorKeys::day(1).pf_count().await?, 2);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "PFCOUNT")]
    pub fn pf_count(&self) -> Command<u64> {
        Command::read_of(self, "PFCOUNT", |_| Ok(()), base::size)
    }

    /// Returns about how many different elements were added to any of these keys. Without keys,
    /// nothing is sent, and the result is 0.
    ///
    /// On a cluster, all keys must be in one slot.
    ///
    /// ```
    /// # use redis_keyspace::{HyperLogLog, Key, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "visitors", ttl = "90d")]
    /// # struct VisitorKeys { day: fn(day: u32) -> HyperLogLog<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// VisitorKeys::day(1).pf_add([7, 8]).await?;
    /// VisitorKeys::day(2).pf_add([8, 9]).await?;
    /// assert_eq!(Key::pf_count_of([1, 2].map(VisitorKeys::day)).await?, 3);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "PFCOUNT")]
    pub fn pf_count_of(keys: impl IntoIterator<Item = Self>) -> Command<u64> {
        let args = Ok(Args::default());
        SeveralKeys::of(keys).read::<S, _>("PFCOUNT", KeyCount::Implied, args, several::count)
    }

    /// Adds the elements of other keys to this one. Keys that do not exist count as empty. Without
    /// keys, nothing is sent.
    ///
    /// A key that exists keeps its TTL, unless the template declares `renew = "write"`. On a
    /// cluster, all keys must be in one slot.
    ///
    /// ```
    /// # use redis_keyspace::{HyperLogLog, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "visitors", ttl = "90d")]
    /// # struct VisitorKeys {
    /// #     #[key("day:{day}")]
    /// #     day: fn(day: u32) -> HyperLogLog<u64>,
    /// #     #[key("week:{week}")]
    /// #     week: fn(week: u32) -> HyperLogLog<u64>,
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// VisitorKeys::day(1).pf_add([7, 8]).await?;
    /// VisitorKeys::day(2).pf_add([8, 9]).await?;
    /// VisitorKeys::week(1).pf_merge((1..=7).map(VisitorKeys::day)).await?;
    /// assert_eq!(VisitorKeys::week(1).pf_count().await?, 3);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "PFMERGE")]
    pub fn pf_merge(&self, keys: impl IntoIterator<Item = Self>) -> Command<()> {
        let sources = SeveralKeys::of(keys);
        let is_empty = sources.is_empty();
        let merge = Store {
            command: "PFMERGE",
            before: &[],
            counts: KeyCount::Implied,
            args: Ok(Args::default()),
            replaces: false,
            decode: merged,
        };
        merge.into_key(sources, self).unless(is_empty)
    }
}

/// Decodes whether any of the commands changed the count.
fn changed(_: &Request, replies: Replies) -> Result<bool> {
    read::many(replies).into_iter().try_fold(false, |changed, reply| Ok(changed | read::to_bool(reply)?))
}

fn merged(request: &Request, replies: Replies) -> Result<()> {
    match request {
        Request::Empty => Ok(()),
        request => read::unit(request, replies),
    }
}
