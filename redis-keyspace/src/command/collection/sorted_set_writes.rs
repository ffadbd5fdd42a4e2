//! Options of the operations that write sorted sets.

use std::time::Duration;

use super::base::{self, BuildOptions, KeyOptions};
use super::elements::EncodedElements;
use super::scores;
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::error::{Error, Result};
use crate::kind::{SingleValue, SortedSet};
use crate::protocol::{Args, Decode, Keys, Packet, Replies, Request, read};
use crate::schema::{Key, Keyspace};

/// Which members a write changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScoreCondition {
    Absent,
    Present,
    /// New members are added, too.
    Greater,
    Less,
}

impl ScoreCondition {
    fn word(self) -> &'static str {
        match self {
            Self::Absent => "NX",
            Self::Present => "XX",
            Self::Greater => "GT",
            Self::Less => "LT",
        }
    }
}

/// `ZADD` with its options, created by [`Key::zadd`] and [`Key::zadd_many`]. Await it, or pass it
/// to [`Redis::batch`](crate::Redis::batch).
///
/// There is one condition at most: a later one replaces it.
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct ZAdd<S: Keyspace, T: SingleValue, R: 'static>(
    pub(super) Deferred<KeyOptions<S, SortedSet<T>, ZAddOptions<R>>, R>,
);

pub(super) struct ZAddOptions<R> {
    members: Result<EncodedElements>,
    condition: Option<ScoreCondition>,
    counts_changed: bool,
    /// How many members are kept.
    top: Option<u64>,
    decode: Decode<R>,
    /// Decodes the replies if members are removed afterwards.
    decode_trimmed: Decode<R>,
}

impl<R> ZAddOptions<R> {
    fn new(members: Result<EncodedElements>, decode: Decode<R>, decode_trimmed: Decode<R>) -> Self {
        Self { members, condition: None, counts_changed: false, top: None, decode, decode_trimmed }
    }
}

impl ZAddOptions<bool> {
    pub(super) fn one(member: Result<Args>) -> Self {
        let trimmed = |request: &Request, replies| base::flag(request, base::without_trim(replies)?);
        Self::new(member.map(EncodedElements::one), base::flag, trimmed)
    }
}

impl ZAddOptions<u64> {
    pub(super) fn many(members: Result<EncodedElements>) -> Self {
        let trimmed = |request: &Request, replies| base::total(request, base::without_trim(replies)?);
        Self::new(members, base::total, trimmed)
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> ZAdd<S, T, R> {
    fn only_if(self, condition: ScoreCondition) -> Self {
        let condition = Some(condition);
        Self(self.0.map(|options| options.with(|options| ZAddOptions { condition, ..options })))
    }

    /// Only adds new members, and changes no scores. Redis's `NX`.
    pub fn only_if_absent(self) -> Self {
        self.only_if(ScoreCondition::Absent)
    }

    /// Only changes scores, and adds no members. Redis's `XX`.
    pub fn only_if_present(self) -> Self {
        self.only_if(ScoreCondition::Present)
    }

    /// Changes a score only if the new one is greater. New members are added. Redis's `GT`.
    pub fn greater_only(self) -> Self {
        self.only_if(ScoreCondition::Greater)
    }

    /// Changes a score only if the new one is less. New members are added. Redis's `LT`.
    pub fn less_only(self) -> Self {
        self.only_if(ScoreCondition::Less)
    }

    /// Counts members whose score changed, too, not only new ones. Redis's `CH`.
    pub fn counting_changed(self) -> Self {
        Self(self.0.map(|options| options.with(|options| ZAddOptions { counts_changed: true, ..options })))
    }

    /// Keeps the members with the highest scores, this many, and removes all others in the same
    /// atomic step. The result does not count them. 0 is an error.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { best: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// for (player, points) in [(7, 10.0), (8, 30.0), (9, 20.0)] {
    ///     GameKeys::best(1).zadd(&player, points).keep_top(2).await?;
    /// }
    /// assert_eq!(GameKeys::best(1).zrange(..).rev().await?, [8, 9]);
    /// # Ok(()) }).await }
    /// ```
    #[doc(alias = "ZREMRANGEBYRANK")]
    pub fn keep_top(self, count: u64) -> Self {
        let top = Some(count);
        Self(self.0.map(|options| options.with(|options| ZAddOptions { top, ..options })))
    }

    /// Overrides the TTL of the template; see [`Command::ttl`].
    pub fn ttl(self, ttl: Duration) -> Self {
        Self(self.0.map(|options| options.with_ttl(ttl)))
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> BuildOptions<S, SortedSet<T>> for ZAddOptions<R> {
    type Output = R;

    fn build(self, key: &Key<S, SortedSet<T>>) -> Command<R> {
        let condition = self.condition.map(ScoreCondition::word);
        let counting = self.counts_changed.then_some("CH");
        let options: Vec<&str> = condition.into_iter().chain(counting).collect();
        let Some(top) = self.top else {
            return Command::write_many_of(key, "ZADD", &options, self.members, self.decode);
        };
        let members = self.members.and_then(|members| match top {
            0 => Err(Error::invalid_input("a sorted set of 0 members would not exist: delete it with `del`")),
            _ => Ok(members),
        });
        let mut trim = Packet::new("ZREMRANGEBYRANK", Keys::One(key.text()));
        trim.args.push_int(0);
        // The last one that is removed, counted from the highest score.
        trim.args.push_int(-1 - i64::try_from(top).unwrap_or(i64::MAX - 1));
        let command = Command::write_many_of(key, "ZADD", &options, members, self.decode);
        command.and_trim(trim, self.decode_trimmed)
    }
}

command_builder!(ZAdd<S, T, R> => R, where S: Keyspace, T: SingleValue, R: 'static);

/// `ZINCRBY` with its options, created by [`Key::zincr_by`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct ZIncrBy<S: Keyspace, T: SingleValue, R: 'static>(
    pub(super) Deferred<KeyOptions<S, SortedSet<T>, ZIncrByOptions<R>>, R>,
);

pub(super) struct ZIncrByOptions<R> {
    /// The amount and the member.
    element: Result<Args>,
    only_if_present: bool,
    decode: Decode<R>,
}

impl ZIncrByOptions<f64> {
    pub(super) fn new(element: Result<Args>) -> Self {
        Self { element, only_if_present: false, decode: score }
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> ZIncrBy<S, T, R> {
    /// Overrides the TTL of the template; see [`Command::ttl`].
    pub fn ttl(self, ttl: Duration) -> Self {
        Self(self.0.map(|options| options.with_ttl(ttl)))
    }

    /// Changes the score only if the member is in the set. Returns `None` otherwise.
    pub fn only_if_present(self) -> ZIncrBy<S, T, Option<f64>> {
        ZIncrBy(self.0.map(|options| {
            options.with(|ZIncrByOptions { element, .. }| ZIncrByOptions {
                element,
                only_if_present: true,
                decode: optional_score,
            })
        }))
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> BuildOptions<S, SortedSet<T>> for ZIncrByOptions<R> {
    type Output = R;

    fn build(self, key: &Key<S, SortedSet<T>>) -> Command<R> {
        if !self.only_if_present {
            return Command::write_of(key, "ZINCRBY", self.element, self.decode);
        }
        let args = self.element.map(|element| {
            let mut args = Args::default();
            args.push(b"XX");
            args.push(b"INCR");
            element.iter().for_each(|argument| args.push(argument));
            args
        });
        Command::change_of(key, "ZADD", args, self.decode)
    }
}

command_builder!(ZIncrBy<S, T, R> => R, where S: Keyspace, T: SingleValue, R: 'static);

fn score(_: &Request, replies: Replies) -> Result<f64> {
    scores::decode(read::one(replies)?)
}

fn optional_score(_: &Request, replies: Replies) -> Result<Option<f64>> {
    scores::decode_optional(read::one(replies)?)
}
