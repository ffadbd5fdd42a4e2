//! Parts of rankings: a page, and the neighbours of a member.

use super::base::{self, BuildOptions, KeyOptions};
use super::docs::reading;
use super::sorted_sets::pairs;
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::command::positions::Positions;
use crate::error::Result;
use crate::kind::{SingleValue, SortedSet};
use crate::protocol::{Args, Keys, LuaScript, Packet, Replies, Reply, Request, ScriptCall, read};
use crate::schema::{Key, Keyspace};

/// Reads the neighbours of a member: its rank, the rank of the first one, and a flat list of
/// members and scores.
///
/// `KEYS`: the sorted set. `ARGV`: the member; how many neighbours on each side; and `REV`, if
/// ranks count from the highest score.
pub(crate) const NEIGHBOURS: &str = "\
local rank = redis.pcall(ARGV[3] and 'ZREVRANK' or 'ZRANK', KEYS[1], ARGV[1])
if type(rank) ~= 'number' then return rank end
local count = tonumber(ARGV[2])
local first = math.max(rank - count, 0)
local members = redis.call('ZRANGE', KEYS[1], first, rank + count, 'WITHSCORES', unpack(ARGV, 3))
return {rank, first, members}";

static SCRIPT: LuaScript = LuaScript::new(NEIGHBOURS);

/// The maximum number of neighbours on each side, so that a reply does not hold up the server.
const MOST_NEIGHBOURS: u32 = 100_000;

/// Rankings; see [`SortedSet`].
impl<S: Keyspace, T: SingleValue> Key<S, SortedSet<T>> {
    /// Returns a member with its neighbours in the order of the scores: up to `count` before it and
    /// up to `count` after it, and at most 100,000 on each side. Returns `None` if it is not in the
    /// set.
    ///
    /// [`rev`](ZAround::rev) counts from the highest score. The ranks and the members are read in
    /// one atomic step.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let scores = GameKeys::scores(1);
    /// scores.zadd_many([(5, 50.0), (6, 60.0), (7, 70.0), (8, 80.0), (9, 90.0)]).await?;
    /// let around = scores.zaround(&6, 1).rev().await?.expect("6 is in the game");
    /// assert_eq!(around.members, [(7, 70.0), (6, 60.0), (5, 50.0)]);
    /// assert_eq!((around.first_rank, around.rank), (2, 3));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// The master answers, also if the template declares that replicas answer reads.
    #[doc = reading!()]
    #[doc(alias = "ZRANK")]
    pub fn zaround(&self, member: &T::Borrowed, count: u32) -> ZAround<S, T> {
        let member = base::one::<S, _, T>(self, member);
        let count = count.min(MOST_NEIGHBOURS);
        ZAround(Deferred::Building(KeyOptions::new(
            self,
            ZAroundOptions { member, count, is_reversed: false },
        )))
    }

    /// Returns one page of the members with their scores, and how many members there are. Pages are
    /// counted from 0, in the order of the scores.
    ///
    /// [`rev`](ZPage::rev) counts from the highest score. The page and the total are read in one
    /// atomic step.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let scores = GameKeys::scores(1);
    /// scores.zadd_many([(5, 50.0), (6, 60.0), (7, 70.0)]).await?;
    /// let page = scores.zpage(1, 2).rev().await?;
    /// assert_eq!((page.members, page.total), (vec![(5, 50.0)], 3));
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZRANGE")]
    pub fn zpage(&self, page: u64, size: u32) -> ZPage<S, T> {
        ZPage(Deferred::Building(KeyOptions::new(self, ZPageOptions { page, size, is_reversed: false })))
    }
}

/// A member of a sorted set with its neighbours.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Window<E> {
    /// The rank of the first of the members, counted from 0.
    pub first_rank: u64,
    /// The rank of the member that was asked for.
    pub rank: u64,
    /// The members with their scores, in their order.
    pub members: Vec<(E, f64)>,
}

/// One page of a sorted set.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RankPage<E> {
    /// The members of the page with their scores, in their order.
    pub members: Vec<(E, f64)>,
    /// The number of members of the whole sorted set.
    pub total: u64,
}

/// The neighbours of a member, created by [`Key::zaround`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
#[expect(clippy::type_complexity, reason = "it is the result of the operation")]
pub struct ZAround<S: Keyspace, T: SingleValue>(
    Deferred<KeyOptions<S, SortedSet<T>, ZAroundOptions>, Option<Window<T::Owned>>>,
);

struct ZAroundOptions {
    member: Result<Args>,
    count: u32,
    is_reversed: bool,
}

impl<S: Keyspace, T: SingleValue> ZAround<S, T> {
    /// Counts from the highest score.
    pub fn rev(self) -> Self {
        Self(self.0.map(|options| options.with(|options| ZAroundOptions { is_reversed: true, ..options })))
    }
}

impl<S: Keyspace, T: SingleValue> BuildOptions<S, SortedSet<T>> for ZAroundOptions {
    type Output = Option<Window<T::Owned>>;

    fn build(self, key: &Key<S, SortedSet<T>>) -> Command<Self::Output> {
        let request = self.member.map(|mut args| {
            args.push_int(self.count);
            if self.is_reversed {
                args.push(b"REV");
            }
            Request::One(SCRIPT.command(ScriptCall { keys: Keys::One(key.text()), args }))
        });
        let request = request.map_err(|error| key.explain("EVAL", error));
        Command::new::<S>("EVAL", Some(key.template()), request, window::<T>)
            .repeatable()
            .reading()
            .on_target(key.redis().into())
    }
}

command_builder!(ZAround<S, T> => Option<Window<T::Owned>>, where S: Keyspace, T: SingleValue);

/// A page of a sorted set, created by [`Key::zpage`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct ZPage<S: Keyspace, T: SingleValue>(
    Deferred<KeyOptions<S, SortedSet<T>, ZPageOptions>, RankPage<T::Owned>>,
);

struct ZPageOptions {
    page: u64,
    size: u32,
    is_reversed: bool,
}

impl<S: Keyspace, T: SingleValue> ZPage<S, T> {
    /// Counts from the highest score.
    pub fn rev(self) -> Self {
        Self(self.0.map(|options| options.with(|options| ZPageOptions { is_reversed: true, ..options })))
    }
}

impl ZPageOptions {
    /// Returns the ranks of the page. An empty page has its end before its start.
    fn ranks(&self) -> Positions {
        let size = u64::from(self.size);
        let first = i64::try_from(self.page.saturating_mul(size)).unwrap_or(i64::MAX);
        match size {
            0 => Positions { first: 1, last: 0 },
            _ => Positions { first, last: first.saturating_add(i64::from(self.size) - 1) },
        }
    }
}

impl<S: Keyspace, T: SingleValue> BuildOptions<S, SortedSet<T>> for ZPageOptions {
    type Output = RankPage<T::Owned>;

    fn build(self, key: &Key<S, SortedSet<T>>) -> Command<Self::Output> {
        let mut range = Packet::new("ZRANGE", Keys::One(key.text()));
        self.ranks().push(&mut range.args);
        if self.is_reversed {
            range.args.push(b"REV");
        }
        range.args.push(b"WITHSCORES");
        let count = Packet::new("ZCARD", Keys::One(key.text()));
        Command::reads_of(key, "ZRANGE", Ok([range, count]), page::<T>)
    }
}

command_builder!(ZPage<S, T> => RankPage<T::Owned>, where S: Keyspace, T: SingleValue);

fn window<T: SingleValue>(request: &Request, replies: Replies) -> Result<Option<Window<T::Owned>>> {
    let parts = match base::answer(request, replies)? {
        Reply::Nil => return Ok(None),
        reply => base::list(reply)?,
    };
    let [rank, first, members] = <[Reply; 3]>::try_from(parts)
        .map_err(|_| base::unexpected("two ranks and a list of members were expected"))?;
    Ok(Some(Window {
        rank: read::to_count(rank)?,
        first_rank: read::to_count(first)?,
        members: pairs::<T>(request, Replies::One(members))?,
    }))
}

fn page<T: SingleValue>(request: &Request, replies: Replies) -> Result<RankPage<T::Owned>> {
    let [members, total] = base::both(replies)?;
    Ok(RankPage {
        members: pairs::<T>(request, Replies::One(members))?,
        total: match total {
            // The answer to a read that returns a miss when Redis is unavailable.
            Reply::Nil => 0,
            total => read::to_count(total)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_ranges_of_ranks() {
        let ranks = |page, size| ZPageOptions { page, size, is_reversed: false }.ranks();
        assert_eq!(ranks(0, 10), Positions { first: 0, last: 9 });
        assert_eq!(ranks(3, 10), Positions { first: 30, last: 39 });
        let empty = ranks(0, 0);
        assert!(empty.last < empty.first, "0..=-1 would be everything");
        let far = ranks(u64::MAX, 10);
        assert_eq!(far, Positions { first: i64::MAX, last: i64::MAX });
    }
}
