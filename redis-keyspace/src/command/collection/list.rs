//! The operations that read lists and change their elements.

use std::ops::RangeBounds;

use super::base::{self, KeyOptions};
use super::docs::{reading, removing, writing};
use super::lists::{Inserted, LPos, LPosOptions, LRem, LRemOptions};
use crate::command::base::Command;
use crate::command::builder::Deferred;
use crate::command::positions::Positions;
use crate::error::Result;
use crate::kind::{List, SingleValue};
use crate::protocol::{Args, Replies, Request, read};
use crate::schema::{Key, Keyspace};

/// Operations of lists; see [`List`].
impl<S: Keyspace, T: SingleValue> Key<S, List<T>> {
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
}

/// The server has no error codes for these.
const NO_POSITION: [&str; 2] = ["ERR no such key", "ERR index out of range"];

fn is_replaced(_: &Request, replies: Replies) -> Result<bool> {
    let has_no_position = |said: &str| NO_POSITION.iter().any(|text| said.starts_with(text));
    let reply = read::one_unless(replies, has_no_position)?;
    reply.map_or(Ok(false), |reply| read::to_unit(reply).map(|()| true))
}

fn inserted(_: &Request, replies: Replies) -> Result<Inserted> {
    Ok(match read::to_int(read::one(replies)?)? {
        0 => Inserted::NoList,
        length => u64::try_from(length).map_or(Inserted::NoPivot, Inserted::Length),
    })
}
