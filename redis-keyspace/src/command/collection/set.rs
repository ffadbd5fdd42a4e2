//! The operations of sets.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash as StdHash;

use super::base::{self, elements};
use super::docs::{reading, removing, taking, writing};
use super::several;
use crate::command::base::Command;
use crate::error::Result;
use crate::kind::{Set, SingleValue};
use crate::protocol::{Args, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};

/// Operations of sets; see [`Set`].
impl<S: Keyspace, T: SingleValue> Key<S, Set<T>> {
    /// Adds a member. Returns `false` if it was in the set already.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(RoomKeys::online(1).sadd(&7).await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "SADD")]
    pub fn sadd(&self, member: &T::Borrowed) -> Command<bool> {
        Command::write_of(self, "SADD", base::one::<S, _, T>(self, member), base::flag)
    }

    /// Adds members. Returns how many of them were not in the set before; 0 if there are no
    /// members, and nothing is sent then.
    ///
    /// Thousands of members are sent as several commands in one transaction.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(RoomKeys::online(1).sadd_many([7, 8, 7]).await?, 2);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "SADD")]
    pub fn sadd_many<B: Borrow<T::Borrowed>>(&self, members: impl IntoIterator<Item = B>) -> Command<u64> {
        let members = base::each::<S, _, T, B>(self, members);
        Command::write_many_of(self, "SADD", &[], members, base::total)
    }

    /// Removes a member. Returns `false` if it was not in the set.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(!RoomKeys::online(1).srem(&7).await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "SREM")]
    pub fn srem(&self, member: &T::Borrowed) -> Command<bool> {
        let member = base::one::<S, _, T>(self, member);
        Command::removal_of(self, "SREM", |args| base::append(args, member), base::flag)
    }

    /// Removes members. Returns how many of them were in the set; 0 if there are no members, and
    /// nothing is sent then.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// RoomKeys::online(1).sadd_many([7, 8]).await?;
    /// assert_eq!(RoomKeys::online(1).srem_many([8, 9]).await?, 1);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "SREM")]
    pub fn srem_many<B: Borrow<T::Borrowed>>(&self, members: impl IntoIterator<Item = B>) -> Command<u64> {
        let members = base::each::<S, _, T, B>(self, members);
        Command::removal_of_many(self, "SREM", members, base::size)
    }

    /// Returns all members.
    ///
    /// A large set keeps the server busy and makes all other commands wait; from some thousand
    /// members on, read it in parts.
    ///
    /// ```
    /// # use std::collections::HashSet;
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// RoomKeys::online(1).sadd_many([7, 8]).await?;
    /// assert_eq!(RoomKeys::online(1).smembers().await?, HashSet::from([7, 8]));
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "SMEMBERS")]
    pub fn smembers(&self) -> Command<HashSet<T::Owned>>
    where
        T::Owned: Eq + StdHash,
    {
        Command::read_of(self, "SMEMBERS", |_| Ok(()), members::<T>)
    }

    /// Returns all members as a vector, in no order. For members that can't be hashed.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(RoomKeys::online(1).smembers_vec().await?.is_empty());
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "SMEMBERS")]
    pub fn smembers_vec(&self) -> Command<Vec<T::Owned>> {
        Command::read_of(self, "SMEMBERS", |_| Ok(()), elements::<T>)
    }

    /// Returns whether this is a member.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(!RoomKeys::online(1).sismember(&7).await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "SISMEMBER")]
    pub fn sismember(&self, member: &T::Borrowed) -> Command<bool> {
        let member = base::one::<S, _, T>(self, member);
        Command::read_of(self, "SISMEMBER", |args| base::append(args, member), base::flag)
    }

    /// Returns for each of these whether it is a member.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// RoomKeys::online(1).sadd(&7).await?;
    /// assert_eq!(RoomKeys::online(1).smismember([7, 8]).await?, [true, false]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "SMISMEMBER")]
    pub fn smismember<B: Borrow<T::Borrowed>>(
        &self,
        members: impl IntoIterator<Item = B>,
    ) -> Command<Vec<bool>> {
        let members = base::each::<S, _, T, B>(self, members);
        Command::read_of_many(self, "SMISMEMBER", members, flags)
    }

    /// Returns the number of members; 0 if the set does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(RoomKeys::online(1).scard().await?, 0);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "SCARD")]
    pub fn scard(&self) -> Command<u64> {
        Command::read_of(self, "SCARD", |_| Ok(()), base::size)
    }

    /// Removes a random member and returns it; `None` if the set does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// RoomKeys::online(1).sadd(&7).await?;
    /// assert_eq!(RoomKeys::online(1).spop().await?, Some(7));
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "SPOP")]
    pub fn spop(&self) -> Command<Option<T::Owned>> {
        Command::removal_of(self, "SPOP", |_| Ok(()), base::element::<T>)
    }

    /// Removes up to `count` different random members and returns them. With a `count` of 0,
    /// nothing is sent.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// RoomKeys::online(1).sadd_many([7, 8, 9]).await?;
    /// assert_eq!(RoomKeys::online(1).spop_many(2).await?.len(), 2);
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "SPOP")]
    pub fn spop_many(&self, count: u32) -> Command<Vec<T::Owned>> {
        let fill = |args: &mut Args| {
            args.push_int(count);
            Ok(())
        };
        Command::removal_of(self, "SPOP", fill, elements::<T>).unless(count == 0)
    }

    /// Returns a random member; `None` if the set does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// RoomKeys::online(1).sadd(&7).await?;
    /// assert_eq!(RoomKeys::online(1).srandmember().await?, Some(7));
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "SRANDMEMBER")]
    pub fn srandmember(&self) -> Command<Option<T::Owned>> {
        Command::read_of(self, "SRANDMEMBER", |_| Ok(()), base::element::<T>)
    }

    /// Returns random members: up to `count` different ones or, if `count` is negative, exactly
    /// that many, with repetitions. With 0, nothing is sent.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// RoomKeys::online(1).sadd_many([7, 8]).await?;
    /// assert_eq!(RoomKeys::online(1).srandmembers(5).await?.len(), 2);
    /// assert_eq!(RoomKeys::online(1).srandmembers(-5).await?.len(), 5);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "SRANDMEMBER")]
    pub fn srandmembers(&self, count: i64) -> Command<Vec<T::Owned>> {
        let fill = |args: &mut Args| {
            args.push_int(count);
            Ok(())
        };
        Command::read_of(self, "SRANDMEMBER", fill, elements::<T>).unless(count == 0)
    }

    /// Moves a member to another set of the same keyspace, atomically. Returns `false` if it was
    /// not in this set; the other set is unchanged then.
    ///
    /// If the member creates the other set, the set gets the TTL of its template in the same step.
    /// On a cluster, both sets must be in one slot; otherwise the command fails with
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), and nothing is sent.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "task", ttl = none)]
    /// struct TaskKeys {
    ///     #[key("open:{board}", hash_tag = board)]
    ///     open: fn(board: u64) -> Set<u64>,
    ///     #[key("done:{board}", hash_tag = board, ttl = "7d")]
    ///     done: fn(board: u64) -> Set<u64>,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// TaskKeys::open(1).sadd(&5).await?;
    /// assert!(TaskKeys::open(1).smove(&TaskKeys::done(1), &5).await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "SMOVE")]
    pub fn smove(&self, to: &Self, member: &T::Borrowed) -> Command<bool> {
        several::moving("SMOVE", self, to, base::one::<S, _, T>(self, member), base::flag)
    }
}

pub(super) fn members<T: SingleValue>(request: &Request, replies: Replies) -> Result<HashSet<T::Owned>>
where
    T::Owned: Eq + StdHash,
{
    match base::answer(request, replies)? {
        reply if base::is_miss(&reply) => Ok(HashSet::new()),
        reply => base::list(reply)?.into_iter().map(base::present::<T>).collect(),
    }
}

fn flags(request: &Request, replies: Replies) -> Result<Vec<bool>> {
    match base::answer(request, replies)? {
        Reply::Nil => Ok(base::missing(request, || false)),
        reply => base::list(reply)?.into_iter().map(read::to_bool).collect(),
    }
}
