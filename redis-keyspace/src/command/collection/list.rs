//! The operations of lists.

use std::borrow::Borrow;
use std::ops::RangeBounds;

use super::base::{self, KeyOptions};
use super::docs::{reading, removing, taking, writing};
use super::lists::{Inserted, LPos, LPosOptions, LRem, LRemOptions, ListEnd};
use super::pop::Pop;
use super::positions::Positions;
use crate::client::same_server;
use crate::command::base::Command;
use crate::command::builder::Deferred;
use crate::error::{Error, Result};
use crate::kind::{List, SingleValue};
use crate::protocol::{Args, Keys, Packet, PacketLifetime, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};

/// Operations of lists; see [`List`].
impl<S: Keyspace, T: SingleValue> Key<S, List<T>> {
    /// Adds an element at the left end. Returns the length of the list.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).lpush("older").await?;
    /// assert_eq!(FeedKeys::user(7).lpush("newer").await?, 2);
    /// assert_eq!(FeedKeys::user(7).lrange(..).await?, ["newer", "older"]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "LPUSH")]
    pub fn lpush(&self, element: &T::Borrowed) -> Command<u64> {
        Command::write_of(self, "LPUSH", base::one::<S, _, T>(self, element), base::size)
    }

    /// Adds an element at the right end. Returns the length of the list.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush("first").await?;
    /// assert_eq!(FeedKeys::user(7).rpush("second").await?, 2);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "RPUSH")]
    pub fn rpush(&self, element: &T::Borrowed) -> Command<u64> {
        Command::write_of(self, "RPUSH", base::one::<S, _, T>(self, element), base::size)
    }

    /// Adds elements at the left end, one after the other, so the last one is the first of the list
    /// then. Returns the length of the list; 0 if there are no elements, and nothing is sent then.
    ///
    /// Thousands of elements are sent as several commands in one transaction.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(FeedKeys::user(7).lpush_many([1, 2, 3]).await?, 3);
    /// assert_eq!(FeedKeys::user(7).lrange(..).await?, [3, 2, 1]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "LPUSH")]
    pub fn lpush_many<B: Borrow<T::Borrowed>>(&self, elements: impl IntoIterator<Item = B>) -> Command<u64> {
        let elements = base::each::<S, _, T, B>(self, elements);
        Command::write_many_of(self, "LPUSH", &[], elements, base::last)
    }

    /// Adds elements at the right end, in their order. Returns the length of the list; 0 if there
    /// are no elements, and nothing is sent then.
    ///
    /// Thousands of elements are sent as several commands in one transaction.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([1, 2, 3]).await?;
    /// assert_eq!(FeedKeys::user(7).lrange(..).await?, [1, 2, 3]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "RPUSH")]
    pub fn rpush_many<B: Borrow<T::Borrowed>>(&self, elements: impl IntoIterator<Item = B>) -> Command<u64> {
        let elements = base::each::<S, _, T, B>(self, elements);
        Command::write_many_of(self, "RPUSH", &[], elements, base::last)
    }

    /// Adds an element at the left end if the list exists. Returns the length of the list; 0 if it
    /// does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(FeedKeys::user(7).lpush_if_present(&1).await?, 0);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "LPUSHX")]
    pub fn lpush_if_present(&self, element: &T::Borrowed) -> Command<u64> {
        Command::change_of(self, "LPUSHX", base::one::<S, _, T>(self, element), base::size)
    }

    /// Adds an element at the right end if the list exists. Returns the length of the list; 0 if it
    /// does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush(&1).await?;
    /// assert_eq!(FeedKeys::user(7).rpush_if_present(&2).await?, 2);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "RPUSHX")]
    pub fn rpush_if_present(&self, element: &T::Borrowed) -> Command<u64> {
        Command::change_of(self, "RPUSHX", base::one::<S, _, T>(self, element), base::size)
    }

    /// Removes the first element and returns it; `None` if the list does not exist.
    ///
    /// [`block`](Pop::block) waits for an element.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([1, 2]).await?;
    /// assert_eq!(FeedKeys::user(7).lpop().await?, Some(1));
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "LPOP")]
    #[doc(alias = "BLPOP")]
    pub fn lpop(&self) -> Pop<Option<T::Owned>> {
        let pop = Command::removal_of(self, "LPOP", |_| Ok(()), base::element::<T>);
        Pop::new(pop, "BLPOP", awaited::<T>)
    }

    /// Removes the last element and returns it; `None` if the list does not exist.
    ///
    /// [`block`](Pop::block) waits for an element.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([1, 2]).await?;
    /// assert_eq!(FeedKeys::user(7).rpop().await?, Some(2));
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "RPOP")]
    #[doc(alias = "BRPOP")]
    pub fn rpop(&self) -> Pop<Option<T::Owned>> {
        let pop = Command::removal_of(self, "RPOP", |_| Ok(()), base::element::<T>);
        Pop::new(pop, "BRPOP", awaited::<T>)
    }

    /// Removes up to `count` elements from the left end and returns them in their order.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([1, 2, 3]).await?;
    /// assert_eq!(FeedKeys::user(7).lpop_many(2).await?, [1, 2]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "LPOP")]
    pub fn lpop_many(&self, count: u32) -> Command<Vec<T::Owned>> {
        self.pop_many("LPOP", count)
    }

    /// Removes up to `count` elements from the right end and returns them, the last one first.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([1, 2, 3]).await?;
    /// assert_eq!(FeedKeys::user(7).rpop_many(2).await?, [3, 2]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "RPOP")]
    pub fn rpop_many(&self, count: u32) -> Command<Vec<T::Owned>> {
        self.pop_many("RPOP", count)
    }

    fn pop_many(&self, command: &'static str, count: u32) -> Command<Vec<T::Owned>> {
        let command = Command::removal_of(
            self,
            command,
            |args| {
                args.push_int(count);
                Ok(())
            },
            base::elements::<T>,
        );
        command.unless(count == 0)
    }

    /// Returns the elements at these positions, counted from 0. Negative positions count from the
    /// end: `-10..` are the last ten.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([1, 2, 3, 4]).await?;
    /// assert_eq!(FeedKeys::user(7).lrange(1..3).await?, [2, 3]);
    /// assert_eq!(FeedKeys::user(7).lrange(-2..).await?, [3, 4]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "LRANGE")]
    pub fn lrange(&self, positions: impl RangeBounds<i64>) -> Command<Vec<T::Owned>> {
        let positions = Positions::new(&positions);
        let fill = |args: &mut Args| {
            positions.into_iter().for_each(|positions| positions.push(args));
            Ok(())
        };
        let command = Command::read_of(self, "LRANGE", fill, base::elements::<T>);
        command.unless(positions.is_none())
    }

    /// Returns the length of the list; 0 if it does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(FeedKeys::user(7).llen().await?, 0);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "LLEN")]
    pub fn llen(&self) -> Command<u64> {
        Command::read_of(self, "LLEN", |_| Ok(()), base::size)
    }

    /// Returns the element at a position, counted from 0; negative positions count from the end.
    /// Returns `None` if the list has no such position.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([1, 2]).await?;
    /// assert_eq!(FeedKeys::user(7).lindex(-1).await?, Some(2));
    /// assert_eq!(FeedKeys::user(7).lindex(2).await?, None);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "LINDEX")]
    pub fn lindex(&self, position: i64) -> Command<Option<T::Owned>> {
        let fill = |args: &mut Args| {
            args.push_int(position);
            Ok(())
        };
        Command::read_of(self, "LINDEX", fill, base::element::<T>)
    }

    /// Replaces the element at a position. Returns `false` if the list has no such position, and
    /// changes nothing then.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush(&1).await?;
    /// assert!(FeedKeys::user(7).lset(0, &5).await?);
    /// assert!(!FeedKeys::user(7).lset(1, &6).await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "LSET")]
    pub fn lset(&self, position: i64, element: &T::Borrowed) -> Command<bool> {
        let mut args = Args::default();
        args.push_int(position);
        let args = base::push::<S, _, T>(self, element, &mut args).map(|()| args);
        Command::change_of(self, "LSET", args, is_replaced)
    }

    /// Removes all elements that are equal to this one. Returns how many.
    ///
    /// [`first`](LRem::first) and [`last`](LRem::last) limit their number.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([1, 2, 1, 1]).await?;
    /// assert_eq!(FeedKeys::user(7).lrem(&1).last(1).await?, 1);
    /// assert_eq!(FeedKeys::user(7).lrem(&1).await?, 2);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "LREM")]
    pub fn lrem(&self, element: &T::Borrowed) -> LRem<S, T> {
        let element = base::one::<S, _, T>(self, element);
        LRem(Deferred::Building(KeyOptions::new(self, LRemOptions { count: Some(0), element })))
    }

    /// Keeps the elements at these positions and removes all others. Negative positions count from
    /// the end. An empty range deletes the list.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([1, 2, 3]).await?;
    /// FeedKeys::user(7).ltrim(..2).await?;
    /// assert_eq!(FeedKeys::user(7).lrange(..).await?, [1, 2]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "LTRIM")]
    pub fn ltrim(&self, positions: impl RangeBounds<i64>) -> Command<()> {
        // A range whose end is before its start keeps nothing.
        let kept = Positions::new(&positions).unwrap_or(Positions { first: 1, last: 0 });
        let fill = |args: &mut Args| {
            kept.push(args);
            Ok(())
        };
        Command::removal_of(self, "LTRIM", fill, read::unit)
    }

    /// Inserts an element before the first one that is equal to `pivot`.
    ///
    /// ```
    /// # use redis_keyspace::command::Inserted;
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([1, 3]).await?;
    /// assert_eq!(FeedKeys::user(7).linsert_before(&3, &2).await?, Inserted::Length(3));
    /// assert_eq!(FeedKeys::user(7).linsert_before(&9, &2).await?, Inserted::NoPivot);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "LINSERT")]
    pub fn linsert_before(&self, pivot: &T::Borrowed, element: &T::Borrowed) -> Command<Inserted> {
        self.insert("BEFORE", pivot, element)
    }

    /// Inserts an element after the first one that is equal to `pivot`.
    ///
    /// ```
    /// # use redis_keyspace::command::Inserted;
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(FeedKeys::user(7).linsert_after(&1, &2).await?, Inserted::NoList);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "LINSERT")]
    pub fn linsert_after(&self, pivot: &T::Borrowed, element: &T::Borrowed) -> Command<Inserted> {
        self.insert("AFTER", pivot, element)
    }

    fn insert(&self, place: &'static str, pivot: &T::Borrowed, element: &T::Borrowed) -> Command<Inserted> {
        let mut args = Args::default();
        args.push(place.as_bytes());
        let args = base::push::<S, _, T>(self, pivot, &mut args)
            .and_then(|()| base::push::<S, _, T>(self, element, &mut args))
            .map(|()| args);
        Command::change_of(self, "LINSERT", args, inserted)
    }

    /// Returns the position of the first element that is equal to this one.
    ///
    /// [`rank`](LPos::rank) skips equal elements or searches from the end; [`all`](LPos::all)
    /// returns all positions.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([5, 6, 5]).await?;
    /// assert_eq!(FeedKeys::user(7).lpos(&5).await?, Some(0));
    /// assert_eq!(FeedKeys::user(7).lpos(&5).all().await?, [0, 2]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "LPOS")]
    pub fn lpos(&self, element: &T::Borrowed) -> LPos<S, T, Option<u64>> {
        LPos(Deferred::Building(KeyOptions::new(self, LPosOptions::new(base::one::<S, _, T>(self, element)))))
    }

    /// Moves an element from one end of this list to an end of another one of the same keyspace,
    /// atomically. Returns the
    /// element; `None` if this list does not exist. Both lists may be the same, which rotates it.
    /// [`block`](Pop::block) waits for an element.
    ///
    /// To process a queue without losing elements, a worker moves each element to its own list, and
    /// removes it there after the work.
    ///
    /// The other list keeps its lifetime. If the element creates it, it gets no lifetime, whatever
    /// its template declares, so declare `ttl = none` for it.
    ///
    /// ```
    /// # use redis_keyspace::command::ListEnd;
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "jobs", ttl = none)]
    /// struct JobKeys {
    ///     #[key("waiting:{queue}", hash_tag = queue)]
    ///     waiting: fn(queue: u64) -> List<u64>,
    ///     #[key("working:{queue}", hash_tag = queue)]
    ///     working: fn(queue: u64) -> List<u64>,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// JobKeys::waiting(1).rpush(&42).await?;
    /// let (from, to) = (JobKeys::waiting(1), JobKeys::working(1));
    /// assert_eq!(from.lmove(ListEnd::Left, &to, ListEnd::Right).await?, Some(42));
    /// // After the work:
    /// to.lrem(&42).await?;
    /// # Ok(()) }).await }
    /// ```
    ///
    /// On a cluster, both lists must be in one slot; otherwise the command fails with
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), and nothing is sent.
    #[doc = taking!()]
    #[doc(alias = "LMOVE")]
    #[doc(alias = "BLMOVE")]
    #[doc(alias = "RPOPLPUSH")]
    pub fn lmove(&self, from: ListEnd, to: &Self, into: ListEnd) -> Pop<Option<T::Owned>> {
        let mut packet = Packet::new("LMOVE", Keys::Many(vec![self.text(), to.text()]));
        packet.args.push(from.word());
        packet.args.push(into.word());
        let request = if to.template().lifetime().duration().is_some() {
            Err(self.explain("LMOVE", Error::invalid_input(format!(
                "the list {to} would get no lifetime: LMOVE can't set one, and its template declares a TTL; declare \
                 `ttl = none` for it, or pop and push in a transaction"
            ))))
        } else {
            packet.with_declared_lifetime(PacketLifetime::Impossible, to.template().inherits_lifetime);
            same_server([self.redis(), to.redis()]).map(|_| Request::One(packet))
        };
        let moving = Command::new::<S>("LMOVE", Some(self.template()), request, base::element::<T>)
            .on_target(self.redis().or_else(|| to.redis()).into());
        Pop::new(moving, "BLMOVE", base::element::<T>)
    }
}

/// The server has no error codes for these.
const NO_POSITION: [&str; 2] = ["ERR no such key", "ERR index out of range"];

fn is_replaced(_: &Request, replies: Replies) -> Result<bool> {
    match replies {
        Replies::One(Reply::Error(said)) if NO_POSITION.iter().any(|text| said.starts_with(text)) => {
            Ok(false)
        }
        replies => read::to_unit(read::one(replies)?).map(|()| true),
    }
}

fn inserted(_: &Request, replies: Replies) -> Result<Inserted> {
    Ok(match read::to_int(read::one(replies)?)? {
        0 => Inserted::NoList,
        length => u64::try_from(length).map_or(Inserted::NoPivot, Inserted::Length),
    })
}

/// Decodes the reply of a command that waited: the key and the element, or nil.
fn awaited<T: SingleValue>(request: &Request, replies: Replies) -> Result<Option<T::Owned>> {
    base::list(base::answer(request, replies)?)?.pop().map(base::present::<T>).transpose()
}
