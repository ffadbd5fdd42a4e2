//! Options of the operations that read sorted sets.

use super::base::{self, BuildOptions, KeyOptions};
use super::docs::storing;
use super::lex_range::LexRange;
use super::scores::{self, ScoreRange};
use super::several::SeveralKeys;
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::command::positions::Positions;
use crate::error::{Error, Result};
use crate::kind::{SingleValue, SortedSet};
use crate::protocol::{Args, Decode, KeyCount, Keys, Packet, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};

/// The members that a range selects.
#[derive(Clone)]
pub(super) enum Section {
    /// `None` is a range that is always empty.
    Ranks(Option<Positions>),
    Scores(ScoreRange),
    Members(LexRange),
}

/// The arguments of a range that selects nothing.
const NOTHING: Positions = Positions { first: 1, last: 0 };

/// `ZRANGE` with its options, created by [`Key::zrange`], [`Key::zrange_by_score`] and
/// [`Key::zrange_by_lex`]. Await it, or pass it to [`Redis::batch`](crate::Redis::batch).
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

    /// Skips `offset` members and returns at most `count`; with 0 none, and nothing is sent. Only
    /// for ranges of scores and members; for ranks, it is an error, because the range says it
    /// already.
    pub fn limit(self, offset: u64, count: u64) -> Self {
        let limit = Some((offset, count));
        Self(self.0.map(|options| options.with(|options| ZRangeOptions { limit, ..options })))
    }

    /// Returns each member with its score. For ranges of members, it is an error, because all
    /// scores are equal.
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

impl<S: Keyspace, T: SingleValue, R: 'static> ZRange<S, T, R> {
    /// Stores the members and their scores in another sorted set of the same keyspace instead of
    /// returning them. Returns their number.
    ///
    /// They replace what `to` was, whatever its type. If the range is empty, `to` is deleted.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "game", ttl = none)]
    /// struct GameKeys {
    ///     #[key("{game}:scores", hash_tag = game)]
    ///     scores: fn(game: u32) -> SortedSet<u64>,
    ///     #[key("{game}:podium", hash_tag = game, ttl = "1m")]
    ///     podium: fn(game: u32) -> SortedSet<u64>,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let (scores, podium) = (GameKeys::scores(1), GameKeys::podium(1));
    /// scores.zadd_many([(6, 5.0), (7, 10.0), (8, 30.0), (9, 20.0)]).await?;
    /// assert_eq!(scores.zrange(..3).rev().store(&podium).await?, 3);
    /// assert_eq!(podium.zscore(&9).await?, Some(20.0));
    /// # Ok(()) }).await }
    /// ```
    #[doc = storing!()]
    #[doc(alias = "ZRANGESTORE")]
    pub fn store(self, to: &Key<S, SortedSet<T>>) -> Command<u64> {
        let to = to.clone();
        let stored = self.0.map(|options| options.with(|range| ZRangeStore { range, to }));
        stored.into_command()
    }
}

impl<R> ZRangeOptions<R> {
    fn push(self, args: &mut Args) -> Result<()> {
        // If it is reversed, the server takes the higher end first.
        let is_reversed = self.is_reversed;
        match &self.section? {
            Section::Ranks(_) if self.limit.is_some() => {
                return Err(Error::invalid_input(
                    "`limit` is for ranges of scores and members: a range of ranks says how many members it returns",
                ));
            }
            Section::Members(_) if self.with_scores => {
                return Err(Error::invalid_input(
                    "`with_scores` is not for ranges of members: all their scores are equal",
                ));
            }
            Section::Ranks(ranks) => ranks.unwrap_or(NOTHING).push(args),
            Section::Scores(scores) => {
                let ends = [&scores.least, &scores.most];
                let ends = if is_reversed { [ends[1], ends[0]] } else { ends };
                ends.into_iter().for_each(|end| args.push(end.as_bytes()));
                args.push(b"BYSCORE");
            }
            Section::Members(LexRange { least, most }) => {
                let ends = if is_reversed { [most, least] } else { [least, most] };
                ends.into_iter().flat_map(Args::iter).for_each(|end| args.push(end));
                args.push(b"BYLEX");
            }
        }
        if is_reversed {
            args.push(b"REV");
        }
        if let Some((offset, count)) = self.limit {
            args.push(b"LIMIT");
            // The server takes signed numbers.
            args.push_count(offset);
            args.push_count(count);
        }
        if self.with_scores {
            args.push(b"WITHSCORES");
        }
        Ok(())
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> BuildOptions<S, SortedSet<T>> for ZRangeOptions<R> {
    type Output = R;

    fn build(self, key: &Key<S, SortedSet<T>>) -> Command<R> {
        let is_empty = matches!(self.section, Ok(Section::Ranks(None))) || matches!(self.limit, Some((_, 0)));
        let decode = self.decode;
        Command::read_of(key, "ZRANGE", |args| self.push(args), decode).unless(is_empty)
    }
}

/// A range that is stored.
struct ZRangeStore<S, T, R> {
    range: ZRangeOptions<R>,
    to: Key<S, SortedSet<T>>,
}

impl<S: Keyspace, T: SingleValue, R> BuildOptions<S, SortedSet<T>> for ZRangeStore<S, T, R> {
    type Output = u64;

    fn build(self, key: &Key<S, SortedSet<T>>) -> Command<u64> {
        let mut args = Args::default();
        // Scores are always stored.
        let range = ZRangeOptions { with_scores: false, ..self.range };
        let args = range.push(&mut args).map(|()| args);
        SeveralKeys::of([key.clone()]).store("ZRANGESTORE", &self.to, KeyCount::Implied, args)
    }
}

command_builder!(ZRange<S, T, R> => R, where S: Keyspace, T: SingleValue, R: 'static);

/// `ZRANK` with its options, created by [`Key::zrank`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct ZRank<S: Keyspace, T: SingleValue, R: 'static>(
    pub(super) Deferred<KeyOptions<S, SortedSet<T>, ZRankOptions<R>>, R>,
);

pub(super) struct ZRankOptions<R> {
    member: Result<Args>,
    is_reversed: bool,
    with_score: bool,
    decode: Decode<R>,
}

impl ZRankOptions<Option<u64>> {
    pub(super) fn new(member: Result<Args>) -> Self {
        Self { member, is_reversed: false, with_score: false, decode: rank }
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> ZRank<S, T, R> {
    /// Counts from the highest score.
    pub fn rev(self) -> Self {
        Self(self.0.map(|options| options.with(|options| ZRankOptions { is_reversed: true, ..options })))
    }

    /// Also returns the score, which is read in the same atomic step.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// GameKeys::scores(1).zadd_many([(7, 10.0), (8, 20.0)]).await?;
    /// assert_eq!(GameKeys::scores(1).zrank(&7).rev().with_score().await?, Some((1, 10.0)));
    /// # Ok(()) }).await }
    /// ```
    #[doc(alias = "WITHSCORE")]
    pub fn with_score(self) -> ZRank<S, T, Option<(u64, f64)>> {
        ZRank(self.0.map(|options| {
            options.with(|ZRankOptions { member, is_reversed, .. }| ZRankOptions {
                member,
                is_reversed,
                with_score: true,
                decode: rank_and_score,
            })
        }))
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> BuildOptions<S, SortedSet<T>> for ZRankOptions<R> {
    type Output = R;

    fn build(self, key: &Key<S, SortedSet<T>>) -> Command<R> {
        let command = if self.is_reversed { "ZREVRANK" } else { "ZRANK" };
        if !self.with_score {
            return Command::read_of(key, command, |args| base::append(args, self.member), self.decode);
        }
        // Two commands, because servers before 7.2 have no `WITHSCORE`.
        let reads = self.member.map(|member| {
            let packet = |name, args| Packet { args, ..Packet::new(name, Keys::One(key.text())) };
            [packet(command, member.clone()), packet("ZSCORE", member)]
        });
        Command::reads_of(key, command, reads, self.decode)
    }
}

command_builder!(ZRank<S, T, R> => R, where S: Keyspace, T: SingleValue, R: 'static);

fn rank(request: &Request, replies: Replies) -> Result<Option<u64>> {
    match base::answer(request, replies)? {
        Reply::Nil => Ok(None),
        reply => read::to_count(reply).map(Some),
    }
}

fn rank_and_score(_: &Request, replies: Replies) -> Result<Option<(u64, f64)>> {
    let [rank, score] = base::both(replies)?;
    match (read::checked(rank)?, scores::decode_optional(score)?) {
        (Reply::Nil, _) | (_, None) => Ok(None),
        (rank, Some(score)) => Ok(Some((read::to_count(rank)?, score))),
    }
}

/// Decodes members with scores: pairs in RESP3, one flat list in RESP2.
pub(super) fn pairs<T: SingleValue>(request: &Request, replies: Replies) -> Result<Vec<(T::Owned, f64)>> {
    let reply = base::answer(request, replies)?;
    if base::is_miss(&reply) {
        return Ok(Vec::new());
    }
    let mut parts = base::list(reply)?.into_iter();
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
