//! Options of the operations of sorted sets.

use super::base::{self, BuildOptions, KeyOptions};
use super::positions::Positions;
use super::scores::{self, ScoreRange};
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::error::{Error, Result};
use crate::kind::{SingleValue, SortedSet};
use crate::protocol::{Args, Decode, Replies, Reply, Request, read};
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
    members: Result<Vec<Args>>,
    condition: Option<ScoreCondition>,
    counts_changed: bool,
    decode: Decode<R>,
}

impl<R> ZAddOptions<R> {
    pub(super) fn new(members: Result<Vec<Args>>, decode: Decode<R>) -> Self {
        Self { members, condition: None, counts_changed: false, decode }
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
}

impl<S: Keyspace, T: SingleValue, R: 'static> BuildOptions<S, SortedSet<T>> for ZAddOptions<R> {
    type Output = R;

    fn build(self, key: &Key<S, SortedSet<T>>) -> Command<R> {
        let condition = self.condition.map(ScoreCondition::word);
        let counting = self.counts_changed.then_some("CH");
        let options: Vec<&str> = condition.into_iter().chain(counting).collect();
        Command::write_many_of(key, "ZADD", &options, self.members, self.decode)
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

/// The members that a range selects.
#[derive(Clone)]
pub(super) enum Section {
    /// `None` is a range that is always empty.
    Ranks(Option<Positions>),
    Scores(ScoreRange),
}

/// `ZRANGE` with its options, created by [`Key::zrange`] and [`Key::zrange_by_score`]. Await it, or
/// pass it to [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct ZRange<S: Keyspace, T: SingleValue, R: 'static>(
    pub(super) Deferred<KeyOptions<S, SortedSet<T>, ZRangeOptions<R>>, R>,
);

pub(super) struct ZRangeOptions<R> {
    section: Result<Section>,
    is_reversed: bool,
    limit: Option<(u64, u64)>,
    with_scores: bool,
    decode: Decode<R>,
}

impl<R> ZRangeOptions<R> {
    pub(super) fn new(section: Result<Section>, decode: Decode<R>) -> Self {
        Self { section, is_reversed: false, limit: None, with_scores: false, decode }
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> ZRange<S, T, R> {
    /// Reverses the order: the highest score comes first, and has rank 0.
    pub fn rev(self) -> Self {
        Self(self.0.map(|options| options.with(|options| ZRangeOptions { is_reversed: true, ..options })))
    }

    /// Skips `offset` members and returns at most `count`. Only for ranges of scores; for ranks, it
    /// is an error, because the range says it already.
    pub fn limit(self, offset: u64, count: u64) -> Self {
        let limit = Some((offset, count));
        Self(self.0.map(|options| options.with(|options| ZRangeOptions { limit, ..options })))
    }

    /// Returns each member with its score.
    pub fn with_scores(self) -> ZRange<S, T, Vec<(T::Owned, f64)>> {
        ZRange(self.0.map(|options| {
            options.with(|ZRangeOptions { section, is_reversed, limit, .. }| ZRangeOptions {
                section,
                is_reversed,
                limit,
                with_scores: true,
                decode: pairs::<T>,
            })
        }))
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> BuildOptions<S, SortedSet<T>> for ZRangeOptions<R> {
    type Output = R;

    fn build(self, key: &Key<S, SortedSet<T>>) -> Command<R> {
        let is_empty = matches!(self.section, Ok(Section::Ranks(None)));
        let fill = |args: &mut Args| {
            match self.section? {
                Section::Ranks(_) if self.limit.is_some() => {
                    return Err(Error::invalid_input(
                        "`limit` is for ranges of scores: a range of ranks says how many members it returns",
                    ));
                }
                Section::Ranks(ranks) => ranks.into_iter().for_each(|ranks| ranks.push(args)),
                Section::Scores(scores) => {
                    // Reversed, the server takes the higher end first.
                    let ends = [&scores.least, &scores.most];
                    let ends = if self.is_reversed { [ends[1], ends[0]] } else { ends };
                    ends.into_iter().for_each(|end| args.push(end.as_bytes()));
                    args.push(b"BYSCORE");
                }
            }
            if self.is_reversed {
                args.push(b"REV");
            }
            if let Some((offset, count)) = self.limit {
                args.push(b"LIMIT");
                // The server takes signed numbers.
                args.push_int(offset.min(i64::MAX.unsigned_abs()));
                args.push_int(count.min(i64::MAX.unsigned_abs()));
            }
            if self.with_scores {
                args.push(b"WITHSCORES");
            }
            Ok(())
        };
        Command::read_of(key, "ZRANGE", fill, self.decode).unless(is_empty)
    }
}

command_builder!(ZRange<S, T, R> => R, where S: Keyspace, T: SingleValue, R: 'static);

/// `ZRANK` with its options, created by [`Key::zrank`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct ZRank<S: Keyspace, T: SingleValue>(
    pub(super) Deferred<KeyOptions<S, SortedSet<T>, ZRankOptions>, Option<u64>>,
);

pub(super) struct ZRankOptions {
    pub(super) member: Result<Args>,
    pub(super) is_reversed: bool,
}

impl<S: Keyspace, T: SingleValue> ZRank<S, T> {
    /// Counts from the highest score.
    pub fn rev(self) -> Self {
        Self(self.0.map(|options| options.with(|options| ZRankOptions { is_reversed: true, ..options })))
    }
}

impl<S: Keyspace, T: SingleValue> BuildOptions<S, SortedSet<T>> for ZRankOptions {
    type Output = Option<u64>;

    fn build(self, key: &Key<S, SortedSet<T>>) -> Command<Option<u64>> {
        let command = if self.is_reversed { "ZREVRANK" } else { "ZRANK" };
        Command::read_of(key, command, |args| base::append(args, self.member), rank)
    }
}

command_builder!(ZRank<S, T> => Option<u64>, where S: Keyspace, T: SingleValue);

fn rank(request: &Request, replies: Replies) -> Result<Option<u64>> {
    match base::answer(request, replies)? {
        Reply::Nil => Ok(None),
        reply => read::to_count(reply).map(Some),
    }
}

fn score(_: &Request, replies: Replies) -> Result<f64> {
    scores::decode(read::one(replies)?)
}

fn optional_score(_: &Request, replies: Replies) -> Result<Option<f64>> {
    scores::decode_optional(read::one(replies)?)
}

/// Decodes members with scores: pairs in RESP3, one flat list in RESP2.
pub(super) fn pairs<T: SingleValue>(request: &Request, replies: Replies) -> Result<Vec<(T::Owned, f64)>> {
    let mut parts = base::list(base::answer(request, replies)?)?.into_iter();
    let mut pairs = Vec::with_capacity(parts.len());
    while let Some(part) = parts.next() {
        let (member, score) = match part {
            Reply::Array(pair) => match <[Reply; 2]>::try_from(pair) {
                Ok([member, score]) => (member, Some(score)),
                Err(_) => return Err(base::unexpected("a member and its score were expected")),
            },
            member => (member, parts.next()),
        };
        let score = score.ok_or_else(|| base::unexpected("a score is missing"))?;
        pairs.push((base::present::<T>(member)?, scores::decode(score)?));
    }
    Ok(pairs)
}

/// Decodes at most one member with its score.
pub(super) fn pair<T: SingleValue>(request: &Request, replies: Replies) -> Result<Option<(T::Owned, f64)>> {
    Ok(pairs::<T>(request, replies)?.pop())
}
