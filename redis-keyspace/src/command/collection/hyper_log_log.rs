//! The operations of HyperLogLogs.

use std::borrow::Borrow;

use super::base;
use super::docs::{reading, writing};
use crate::client::same_server;
use crate::command::base::Command;
use crate::error::Result;
use crate::kind::{HyperLogLog, SingleValue};
use crate::protocol::{Keys, Packet, Replies, Reply, Request, read};
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
        let keys: Vec<_> = keys.into_iter().collect();
        let template = keys.first().map(Key::template);
        let server = same_server(keys.iter().map(Key::redis));
        let redis = server.as_ref().ok().cloned().flatten();
        let request = server.map(|_| match keys.is_empty() {
            true => Request::Empty,
            false => Request::One(Packet::new("PFCOUNT", Keys::Many(keys.iter().map(Key::text).collect()))),
        });
        Command::new::<S>("PFCOUNT", template, request, count_of_all)
            .repeatable()
            .reading()
            .on_replica()
            .on_target(redis.into())
    }
}

/// Decodes whether any of the commands changed the count.
fn changed(_: &Request, replies: Replies) -> Result<bool> {
    read::many(replies).into_iter().try_fold(false, |changed, reply| Ok(changed | read::to_bool(reply)?))
}

fn count_of_all(request: &Request, replies: Replies) -> Result<u64> {
    match base::answer(request, replies)? {
        // The answer to a read that returns a miss when Redis is unavailable.
        Reply::Nil | Reply::Array(_) => Ok(0),
        reply => read::to_count(reply),
    }
}
