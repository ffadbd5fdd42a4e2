//! The operations of sorted sets.

use std::borrow::Borrow;
use std::ops::RangeBounds;

use super::base::{self, KeyOptions};
use super::docs::{reading, removing, taking, writing};
use super::elements::EncodedElements;
use super::pop::Pop;
use super::scores::{self, ScoreRange};
use super::sorted_set_writes::{ZAdd, ZAddOptions, ZIncrBy, ZIncrByOptions};
use super::sorted_sets::{Section, ZRange, ZRangeOptions, ZRank, ZRankOptions, pair, pairs};
use crate::command::base::Command;
use crate::command::builder::Deferred;
use crate::command::positions::Positions;
use crate::error::Result;
use crate::kind::{SingleValue, SortedSet};
use crate::protocol::{Args, Replies, Reply, Request};
use crate::schema::{Key, Keyspace};

/// Operations of sorted sets; see [`SortedSet`].
impl<S: Keyspace, T: SingleValue> Key<S, SortedSet<T>> {
    /// Adds a member, or changes its score. Returns whether it was added.
    ///
    /// The returned builder has the conditions: [`only_if_absent`](ZAdd::only_if_absent),
    /// [`only_if_present`](ZAdd::only_if_present), [`greater_only`](ZAdd::greater_only),
    /// [`less_only`](ZAdd::less_only). [`keep_top`](ZAdd::keep_top) limits the number of members.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(GameKeys::scores(1).zadd(&7, 10.0).await?);
    /// assert!(!GameKeys::scores(1).zadd(&7, 5.0).greater_only().await?);
    /// assert_eq!(GameKeys::scores(1).zscore(&7).await?, Some(10.0));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// NaN is an error, and nothing is sent.
    #[doc = writing!()]
    #[doc(alias = "ZADD")]
    pub fn zadd(&self, member: &T::Borrowed, score: f64) -> ZAdd<S, T, bool> {
        let element = scored::<S, _, T>(self, member, score);
        ZAdd(Deferred::Building(KeyOptions::new(self, ZAddOptions::one(element))))
    }

    /// Adds members, or changes their scores. Returns how many were added; 0 if there are no
    /// members, and nothing is sent then.
    ///
    /// The returned builder has the conditions of [`zadd`](Self::zadd), and
    /// [`counting_changed`](ZAdd::counting_changed). Thousands of members are sent as several
    /// commands in one transaction.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let scores = GameKeys::scores(1);
    /// assert_eq!(scores.zadd_many([(7, 10.0), (8, 20.0)]).await?, 2);
    /// assert_eq!(scores.zadd_many([(7, 11.0), (9, 5.0)]).counting_changed().await?, 2);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "ZADD")]
    pub fn zadd_many<B: Borrow<T::Borrowed>>(
        &self,
        members: impl IntoIterator<Item = (B, f64)>,
    ) -> ZAdd<S, T, u64> {
        let members = EncodedElements::encode(members, |(member, score), args| {
            push_scored::<S, _, T>(self, member.borrow(), score, args)
        });
        ZAdd(Deferred::Building(KeyOptions::new(self, ZAddOptions::many(members))))
    }

    /// Adds to the score of a member, which counts as 0 if it is not in the set. Returns the new
    /// score.
    ///
    /// [`only_if_present`](ZIncrBy::only_if_present) changes only members that are in the set.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(GameKeys::scores(1).zincr_by(&7, 1.5).await?, 1.5);
    /// assert_eq!(GameKeys::scores(1).zincr_by(&8, 1.5).only_if_present().await?, None);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// Not retried after a lost connection: it might add twice.
    #[doc = writing!()]
    #[doc(alias = "ZINCRBY")]
    pub fn zincr_by(&self, member: &T::Borrowed, amount: f64) -> ZIncrBy<S, T, f64> {
        let element = scored::<S, _, T>(self, member, amount);
        ZIncrBy(Deferred::Building(KeyOptions::new(self, ZIncrByOptions::new(element))))
    }

    /// Returns the members at these ranks, counted from 0 in the order of the scores. Negative
    /// ranks count from the end.
    ///
    /// The returned builder has the options: [`rev`](ZRange::rev) counts from the highest score,
    /// and [`with_scores`](ZRange::with_scores) returns the scores, too.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let scores = GameKeys::scores(1);
    /// scores.zadd_many([(7, 10.0), (8, 20.0), (9, 30.0)]).await?;
    /// assert_eq!(scores.zrange(..2).await?, [7, 8]);
    /// assert_eq!(scores.zrange(..1).rev().with_scores().await?, [(9, 30.0)]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZRANGE")]
    #[doc(alias = "ZREVRANGE")]
    pub fn zrange(&self, ranks: impl RangeBounds<i64>) -> ZRange<S, T, Vec<T::Owned>> {
        self.range(Ok(Section::Ranks(Positions::new(&ranks))))
    }

    /// Returns the members with scores in a range.
    ///
    /// The returned builder has the options: [`rev`](ZRange::rev) starts with the highest score,
    /// [`limit`](ZRange::limit) returns a page, and [`with_scores`](ZRange::with_scores) returns
    /// the scores, too.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let scores = GameKeys::scores(1);
    /// scores.zadd_many([(7, 10.0), (8, 20.0), (9, 30.0)]).await?;
    /// assert_eq!(scores.zrange_by_score(15.0..).await?, [8, 9]);
    /// assert_eq!(scores.zrange_by_score(..).limit(1, 1).await?, [8]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZRANGEBYSCORE")]
    #[doc(alias = "ZREVRANGEBYSCORE")]
    pub fn zrange_by_score(&self, scores: impl RangeBounds<f64>) -> ZRange<S, T, Vec<T::Owned>> {
        self.range(ScoreRange::new(&scores).map(Section::Scores))
    }

    fn range(&self, section: Result<Section>) -> ZRange<S, T, Vec<T::Owned>> {
        let options = ZRangeOptions::new(section, base::elements::<T>);
        ZRange(Deferred::Building(KeyOptions::new(self, options)))
    }

    /// Returns the rank of a member, counted from 0 in the order of the scores; `None` if it is not
    /// in the set.
    ///
    /// [`rev`](ZRank::rev) counts from the highest score.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let scores = GameKeys::scores(1);
    /// scores.zadd_many([(7, 10.0), (8, 20.0)]).await?;
    /// assert_eq!(scores.zrank(&8).await?, Some(1));
    /// assert_eq!(scores.zrank(&8).rev().await?, Some(0));
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZRANK")]
    #[doc(alias = "ZREVRANK")]
    pub fn zrank(&self, member: &T::Borrowed) -> ZRank<S, T, Option<u64>> {
        let member = base::one::<S, _, T>(self, member);
        ZRank(Deferred::Building(KeyOptions::new(self, ZRankOptions::new(member))))
    }

    /// Returns the score of a member; `None` if it is not in the set.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(GameKeys::scores(1).zscore(&7).await?, None);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZSCORE")]
    pub fn zscore(&self, member: &T::Borrowed) -> Command<Option<f64>> {
        let member = base::one::<S, _, T>(self, member);
        Command::read_of(self, "ZSCORE", |args| base::append(args, member), score)
    }

    /// Returns the score of each of these members; `None` for those that are not in the set.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// GameKeys::scores(1).zadd(&7, 10.0).await?;
    /// assert_eq!(GameKeys::scores(1).zscores([7, 8]).await?, [Some(10.0), None]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZMSCORE")]
    pub fn zscores<B: Borrow<T::Borrowed>>(
        &self,
        members: impl IntoIterator<Item = B>,
    ) -> Command<Vec<Option<f64>>> {
        Command::read_of_many(self, "ZMSCORE", base::each::<S, _, T, B>(self, members), each_score)
    }

    /// Returns the number of members; 0 if the sorted set does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(GameKeys::scores(1).zcard().await?, 0);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZCARD")]
    pub fn zcard(&self) -> Command<u64> {
        Command::read_of(self, "ZCARD", |_| Ok(()), base::size)
    }

    /// Returns the number of members with scores in a range.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// GameKeys::scores(1).zadd_many([(7, 10.0), (8, 20.0)]).await?;
    /// assert_eq!(GameKeys::scores(1).zcount(10.0..20.0).await?, 1);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZCOUNT")]
    pub fn zcount(&self, scores: impl RangeBounds<f64>) -> Command<u64> {
        let scores = ScoreRange::new(&scores);
        Command::read_of(self, "ZCOUNT", |args| scores.map(|scores| scores.push(args)), base::size)
    }

    /// Removes a member. Returns `false` if it was not in the set.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(!GameKeys::scores(1).zrem(&7).await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "ZREM")]
    pub fn zrem(&self, member: &T::Borrowed) -> Command<bool> {
        let member = base::one::<S, _, T>(self, member);
        Command::removal_of(self, "ZREM", |args| base::append(args, member), base::flag)
    }

    /// Removes members. Returns how many were in the set; 0 if there are no members, and nothing is
    /// sent then.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// GameKeys::scores(1).zadd_many([(7, 10.0), (8, 20.0)]).await?;
    /// assert_eq!(GameKeys::scores(1).zrem_many([8, 9]).await?, 1);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "ZREM")]
    pub fn zrem_many<B: Borrow<T::Borrowed>>(&self, members: impl IntoIterator<Item = B>) -> Command<u64> {
        Command::removal_of_many(self, "ZREM", base::each::<S, _, T, B>(self, members), base::size)
    }

    /// Removes the members at these ranks, counted from 0 in the order of the scores; negative
    /// ranks count from the end. Returns how many.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let scores = GameKeys::scores(1);
    /// scores.zadd_many([(7, 10.0), (8, 20.0), (9, 30.0)]).await?;
    /// // Keep the best two.
    /// assert_eq!(scores.zrem_range(..-2).await?, 1);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "ZREMRANGEBYRANK")]
    pub fn zrem_range(&self, ranks: impl RangeBounds<i64>) -> Command<u64> {
        let ranks = Positions::new(&ranks);
        let fill = |args: &mut Args| {
            ranks.into_iter().for_each(|ranks| ranks.push(args));
            Ok(())
        };
        Command::removal_of(self, "ZREMRANGEBYRANK", fill, base::size).unless(ranks.is_none())
    }

    /// Removes the members with scores in a range. Returns how many.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// GameKeys::scores(1).zadd_many([(7, 10.0), (8, 20.0)]).await?;
    /// assert_eq!(GameKeys::scores(1).zrem_range_by_score(..=10.0).await?, 1);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "ZREMRANGEBYSCORE")]
    pub fn zrem_range_by_score(&self, scores: impl RangeBounds<f64>) -> Command<u64> {
        let scores = ScoreRange::new(&scores);
        let fill = |args: &mut Args| scores.map(|scores| scores.push(args));
        Command::removal_of(self, "ZREMRANGEBYSCORE", fill, base::size)
    }

    /// Removes the member with the lowest score and returns both; `None` if the sorted set does not
    /// exist. [`block`](Pop::block) waits for a member.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// GameKeys::scores(1).zadd_many([(7, 10.0), (8, 20.0)]).await?;
    /// assert_eq!(GameKeys::scores(1).zpop_min().await?, Some((7, 10.0)));
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "ZPOPMIN")]
    #[doc(alias = "BZPOPMIN")]
    pub fn zpop_min(&self) -> Pop<Option<(T::Owned, f64)>> {
        let pop = Command::removal_of(self, "ZPOPMIN", |_| Ok(()), pair::<T>);
        Pop::new(pop, "BZPOPMIN", awaited::<T>)
    }

    /// Removes the member with the highest score and returns both; `None` if the sorted set does
    /// not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// GameKeys::scores(1).zadd_many([(7, 10.0), (8, 20.0)]).await?;
    /// assert_eq!(GameKeys::scores(1).zpop_max().await?, Some((8, 20.0)));
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "ZPOPMAX")]
    #[doc(alias = "BZPOPMAX")]
    pub fn zpop_max(&self) -> Pop<Option<(T::Owned, f64)>> {
        let pop = Command::removal_of(self, "ZPOPMAX", |_| Ok(()), pair::<T>);
        Pop::new(pop, "BZPOPMAX", awaited::<T>)
    }

    /// Removes up to `count` members with the lowest scores and returns them, the lowest first.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// GameKeys::scores(1).zadd_many([(7, 10.0), (8, 20.0)]).await?;
    /// assert_eq!(GameKeys::scores(1).zpop_min_many(5).await?, [(7, 10.0), (8, 20.0)]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "ZPOPMIN")]
    pub fn zpop_min_many(&self, count: u32) -> Command<Vec<(T::Owned, f64)>> {
        self.pop_scored("ZPOPMIN", count)
    }

    /// Removes up to `count` members with the highest scores and returns them, the highest first.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// GameKeys::scores(1).zadd_many([(7, 10.0), (8, 20.0)]).await?;
    /// assert_eq!(GameKeys::scores(1).zpop_max_many(1).await?, [(8, 20.0)]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "ZPOPMAX")]
    pub fn zpop_max_many(&self, count: u32) -> Command<Vec<(T::Owned, f64)>> {
        self.pop_scored("ZPOPMAX", count)
    }

    fn pop_scored(&self, command: &'static str, count: u32) -> Command<Vec<(T::Owned, f64)>> {
        let fill = |args: &mut Args| {
            args.push_int(count);
            Ok(())
        };
        Command::removal_of(self, command, fill, pairs::<T>).unless(count == 0)
    }
}

/// Encodes a member and its score, in the order of ZADD.
fn scored<S: Keyspace, V, T: SingleValue>(key: &Key<S, V>, member: &T::Borrowed, score: f64) -> Result<Args> {
    let mut args = Args::with_room(scores::USUAL_LENGTH + base::usual_length::<T>());
    push_scored::<S, V, T>(key, member, score, &mut args)?;
    Ok(args)
}

fn push_scored<S: Keyspace, V, T: SingleValue>(
    key: &Key<S, V>,
    member: &T::Borrowed,
    score: f64,
    args: &mut Args,
) -> Result<()> {
    scores::push(args, score)?;
    base::push::<S, V, T>(key, member, args)
}

fn score(request: &Request, replies: Replies) -> Result<Option<f64>> {
    scores::decode_optional(base::answer(request, replies)?)
}

fn each_score(request: &Request, replies: Replies) -> Result<Vec<Option<f64>>> {
    match base::answer(request, replies)? {
        Reply::Nil => Ok(base::missing(request, || None)),
        reply => base::list(reply)?.into_iter().map(scores::decode_optional).collect(),
    }
}

/// Decodes the reply of a command that waited: the key, the member and its score, or nil.
fn awaited<T: SingleValue>(request: &Request, replies: Replies) -> Result<Option<(T::Owned, f64)>> {
    let parts = base::list(base::answer(request, replies)?)?;
    match <[Reply; 3]>::try_from(parts) {
        Ok([_, member, score]) => Ok(Some((base::present::<T>(member)?, scores::decode(score)?))),
        Err(parts) if parts.is_empty() => Ok(None),
        Err(_) => Err(base::unexpected("a key, a member and a score were expected")),
    }
}
