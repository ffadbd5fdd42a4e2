//! Sorted sets from several sorted sets: intersection, union and difference.

use std::marker::PhantomData;

use super::base::elements;
use super::docs::{reading, storing};
use super::scores;
use super::set_algebra::SetCard;
use super::several::SeveralKeys;
use super::sorted_sets::pairs;
use crate::client::CallOptions;
use crate::command::base::Command;
use crate::command::builder::{CommandOptions, Deferred, command_builder};
use crate::error::{Error, Result};
use crate::kind::{SingleValue, SortedSet};
use crate::protocol::{Args, Decode, KeyCount};
use crate::schema::{Key, Keyspace};

/// Operations on several sorted sets; see [`SortedSet`].
impl<S: Keyspace, T: SingleValue> Key<S, SortedSet<T>> {
    /// Returns the members that are in any of these sorted sets, in the order of their scores. The
    /// score of a member is the sum of its scores. Without keys, nothing is sent, and the result is
    /// empty.
    ///
    /// [`weights`](ZCombine::weights) and [`aggregate`](ZCombine::aggregate) change how scores are
    /// combined, [`with_scores`](ZCombine::with_scores) also returns them, and
    /// [`store`](ZCombine::store) keeps the result in another sorted set. On a cluster, all must be in
    /// one slot.
    ///
    /// ```
    /// # use redis_keyspace::{Key, Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "sales", ttl = "90d")]
    /// # struct SalesKeys { month: fn(month: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// SalesKeys::month(1).zadd_many([(7, 10.0), (8, 1.0)]).await?;
    /// SalesKeys::month(2).zadd(&8, 20.0).await?;
    /// let months = [SalesKeys::month(1), SalesKeys::month(2)];
    /// assert_eq!(Key::zunion(months).with_scores().await?, [(7, 10.0), (8, 21.0)]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZUNION")]
    #[doc(alias = "ZUNIONSTORE")]
    pub fn zunion(keys: impl IntoIterator<Item = Self>) -> ZCombine<S, T, Vec<T::Owned>> {
        ZCombine::new(["ZUNION", "ZUNIONSTORE"], keys)
    }

    /// Returns the members that are in all of these sorted sets; see [`zunion`](Self::zunion).
    ///
    /// ```
    /// # use redis_keyspace::command::ScoreAggregate;
    /// # use redis_keyspace::{Key, Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "sales", ttl = "90d")]
    /// # struct SalesKeys { month: fn(month: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// SalesKeys::month(1).zadd_many([(7, 10.0), (8, 1.0)]).await?;
    /// SalesKeys::month(2).zadd(&8, 20.0).await?;
    /// let both = Key::zinter([SalesKeys::month(1), SalesKeys::month(2)]);
    /// assert_eq!(both.aggregate(ScoreAggregate::Max).with_scores().await?, [(8, 20.0)]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZINTER")]
    #[doc(alias = "ZINTERSTORE")]
    pub fn zinter(keys: impl IntoIterator<Item = Self>) -> ZCombine<S, T, Vec<T::Owned>> {
        ZCombine::new(["ZINTER", "ZINTERSTORE"], keys)
    }

    /// Returns the members of the first sorted set that are in none of the others, with their
    /// scores there; see [`zunion`](Self::zunion). Weights and an aggregate are errors.
    ///
    /// ```
    /// # use redis_keyspace::{Key, Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "sales", ttl = "90d")]
    /// # struct SalesKeys { month: fn(month: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// SalesKeys::month(1).zadd_many([(7, 10.0), (8, 1.0)]).await?;
    /// SalesKeys::month(2).zadd(&8, 20.0).await?;
    /// assert_eq!(Key::zdiff([SalesKeys::month(1), SalesKeys::month(2)]).await?, [7]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZDIFF")]
    #[doc(alias = "ZDIFFSTORE")]
    pub fn zdiff(keys: impl IntoIterator<Item = Self>) -> ZCombine<S, T, Vec<T::Owned>> {
        ZCombine::new([DIFFERENCE, "ZDIFFSTORE"], keys)
    }

    /// Returns how many members are in all of these sorted sets, without returning them. Without
    /// keys, nothing is sent, and the result is 0.
    ///
    /// [`limit`](SetCard::limit) ends the search early. Needs Redis 7.0. On a cluster, all must be in
    /// one slot.
    ///
    /// ```
    /// # use redis_keyspace::{Key, Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "sales", ttl = "90d")]
    /// # struct SalesKeys { month: fn(month: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// SalesKeys::month(1).zadd_many([(7, 10.0), (8, 1.0)]).await?;
    /// SalesKeys::month(2).zadd(&8, 20.0).await?;
    /// assert_eq!(Key::zinter_card([SalesKeys::month(1), SalesKeys::month(2)]).await?, 1);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZINTERCARD")]
    pub fn zinter_card(keys: impl IntoIterator<Item = Self>) -> SetCard<S> {
        SetCard::new("ZINTERCARD", keys)
    }
}

const DIFFERENCE: &str = "ZDIFF";

/// How the scores of a member in several sorted sets become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScoreAggregate {
    /// Their sum, the default.
    Sum,
    /// The lowest one.
    Min,
    /// The highest one.
    Max,
}

impl ScoreAggregate {
    fn word(self) -> &'static [u8] {
        match self {
            Self::Sum => b"SUM",
            Self::Min => b"MIN",
            Self::Max => b"MAX",
        }
    }
}

/// `ZUNION`, `ZINTER` or `ZDIFF` with its options, created by [`Key::zunion`] and similar methods.
/// Await it, or pass it to [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct ZCombine<S: Keyspace, T: SingleValue, R: 'static>(Deferred<ZCombineOptions<S, T, R>, R>);

struct ZCombineOptions<S, T, R> {
    /// The command that returns the members, and the command that stores them.
    commands: [&'static str; 2],
    keys: SeveralKeys,
    weights: Option<Vec<f64>>,
    aggregate: Option<ScoreAggregate>,
    with_scores: bool,
    decode: Decode<R>,
    call: CallOptions,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S, T, R> ZCombineOptions<S, T, R> {
    /// Returns the arguments after the keys.
    fn args(&self) -> Result<Args> {
        let mut args = Args::default();
        if self.commands[0] == DIFFERENCE && (self.weights.is_some() || self.aggregate.is_some()) {
            return Err(Error::invalid_input(
                "a difference has no weights and no aggregate: its scores are those of the first sorted set",
            ));
        }
        if let Some(weights) = &self.weights {
            let (given, keys) = (weights.len(), self.keys.len());
            if given != keys {
                return Err(Error::invalid_input(format!(
                    "there are {given} weights for {keys} sorted sets: give one for each"
                )));
            }
            args.push(b"WEIGHTS");
            weights.iter().try_for_each(|weight| scores::push(&mut args, *weight))?;
        }
        if let Some(aggregate) = self.aggregate {
            args.push(b"AGGREGATE");
            args.push(aggregate.word());
        }
        Ok(args)
    }
}

impl<S: Keyspace, T: SingleValue> ZCombine<S, T, Vec<T::Owned>> {
    fn new(commands: [&'static str; 2], keys: impl IntoIterator<Item = Key<S, SortedSet<T>>>) -> Self {
        Self(Deferred::Building(ZCombineOptions {
            commands,
            keys: SeveralKeys::of(keys),
            weights: None,
            aggregate: None,
            with_scores: false,
            decode: elements::<T>,
            call: CallOptions::default(),
            types: PhantomData,
        }))
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> ZCombine<S, T, R> {
    /// Multiplies the scores of each sorted set by its weight, in the order of the keys. There must
    /// be as many weights as keys.
    pub fn weights(self, weights: impl IntoIterator<Item = f64>) -> Self {
        let weights = Some(weights.into_iter().collect());
        Self(self.0.map(|options| ZCombineOptions { weights, ..options }))
    }

    /// Sets how several scores of one member become one.
    pub fn aggregate(self, aggregate: ScoreAggregate) -> Self {
        let aggregate = Some(aggregate);
        Self(self.0.map(|options| ZCombineOptions { aggregate, ..options }))
    }

    /// Returns each member with its score.
    pub fn with_scores(self) -> ZCombine<S, T, Vec<(T::Owned, f64)>> {
        ZCombine(self.0.map(|options| {
            let ZCombineOptions { commands, keys, weights, aggregate, call, types, .. } = options;
            let (with_scores, decode) = (true, pairs::<T> as Decode<_>);
            ZCombineOptions { commands, keys, weights, aggregate, with_scores, decode, call, types }
        }))
    }

    /// Stores the result in another sorted set of the same keyspace instead of returning it.
    /// Returns its number of members.
    ///
    /// The result replaces what `to` was, whatever its type. `to` may be one of the sorted sets. If
    /// the result is empty, `to` is deleted. Without keys to read, the command is an
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) error.
    ///
    /// ```
    /// # use redis_keyspace::{Key, Keyspace, Redis, SortedSet};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "sales", ttl = "90d")]
    /// struct SalesKeys {
    ///     #[key("{shop}:{month}", hash_tag = shop)]
    ///     month: fn(shop: u64, month: u32) -> SortedSet<u64>,
    ///     #[key("{shop}:recent", hash_tag = shop, ttl = "1h")]
    ///     recent: fn(shop: u64) -> SortedSet<u64>,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// SalesKeys::month(1, 1).zadd(&7, 10.0).await?;
    /// SalesKeys::month(1, 2).zadd(&7, 3.0).await?;
    /// // The latest month counts double.
    /// let months = [SalesKeys::month(1, 1), SalesKeys::month(1, 2)];
    /// Key::zunion(months).weights([1.0, 2.0]).store(&SalesKeys::recent(1)).await?;
    /// assert_eq!(SalesKeys::recent(1).zscore(&7).await?, Some(16.0));
    /// # Ok(()) }).await }
    /// ```
    #[doc = storing!()]
    pub fn store(self, to: &Key<S, SortedSet<T>>) -> Command<u64> {
        let to = to.clone();
        self.0.map(|options| ZCombineStore { options, to }).into_command()
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> CommandOptions for ZCombineOptions<S, T, R> {
    type Output = R;

    fn call(&mut self) -> &mut CallOptions {
        &mut self.call
    }

    fn finish(&mut self) -> Command<R> {
        let [command, _] = self.commands;
        let args = self.args().map(|mut args| {
            if self.with_scores {
                args.push(b"WITHSCORES");
            }
            args
        });
        let (keys, call) = (std::mem::take(&mut self.keys), std::mem::take(&mut self.call));
        keys.read::<S, _>(command, KeyCount::Sent, args, self.decode).with_call(call)
    }
}

impl<S, T, R> std::fmt::Debug for ZCombineOptions<S, T, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command").field("command", &self.commands[0]).finish_non_exhaustive()
    }
}

command_builder!(ZCombine<S, T, R> => R, where S: Keyspace, T: SingleValue, R: 'static);

/// A combination of sorted sets that is stored.
struct ZCombineStore<S, T, R> {
    options: ZCombineOptions<S, T, R>,
    to: Key<S, SortedSet<T>>,
}

impl<S: Keyspace, T: SingleValue, R> CommandOptions for ZCombineStore<S, T, R> {
    type Output = u64;

    fn call(&mut self) -> &mut CallOptions {
        &mut self.options.call
    }

    fn finish(&mut self) -> Command<u64> {
        let [_, command] = self.options.commands;
        let args = self.options.args();
        let (keys, call) = (std::mem::take(&mut self.options.keys), std::mem::take(&mut self.options.call));
        keys.store(command, &self.to, KeyCount::Sent, args).with_call(call)
    }
}
