//! The kind of sorted sets.

use std::marker::PhantomData;

use crate::kind::{Kind, SingleValue, Stored};

/// A Redis sorted set: different members, each with a score of type `f64`, in the order of their
/// scores.
///
/// `T` is a single-value kind: `SortedSet<u64>`, `SortedSet<Text>`. Members are compared as bytes,
/// as in a [`Set`](super::Set). Members with the same score are in the order of their bytes, so the
/// number 10 comes before 9.
///
/// ```
/// use redis_keyspace::{Keyspace, Redis, SortedSet};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "game", ttl = none)]
/// struct GameKeys {
///     #[key("{game}:scores")]
///     scores: fn(game: u32) -> SortedSet<u64>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let scores = GameKeys::scores(1);
/// scores.zadd_many([(7, 10.0), (8, 30.0), (9, 20.0)]).await?;
/// // The best two, and the rank of one player.
/// assert_eq!(scores.zrange(..2).rev().with_scores().await?, [(8, 30.0), (9, 20.0)]);
/// assert_eq!(scores.zrank(&7).rev().await?, Some(2));
/// # Ok(()) }).await }
/// ```
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | add | [`zadd`], [`zadd_many`], [`zincr_by`] |
/// | remove | [`zrem`], [`zrem_many`], [`zrem_range`], [`zrem_range_by_score`], [`zrem_range_by_lex`], [`zpop_min`], [`zpop_max`], [`zpop_min_many`], [`zpop_max_many`], [`zmpop`]; [`zadd`] with [`keep_top`](crate::command::ZAdd::keep_top) |
/// | read | [`zrange`], [`zrange_by_score`], [`zrange_by_lex`], [`zscore`], [`zscores`], [`zrank`], [`zcard`], [`zcount`], [`zlex_count`], [`zrandmember`], [`zrandmembers`] |
/// | rankings | [`zaround`], [`zpage`]; [`zrank`] with [`with_score`](crate::command::ZRank::with_score) |
/// | combine | [`zunion`], [`zinter`], [`zdiff`], [`zinter_card`]; [`store`](crate::command::ZCombine::store) keeps the result; that of [`zrange`]: [`store`](crate::command::ZRange::store) |
/// | wait for a member | [`zpop_min`] and [`zpop_max`] with [`block`](crate::command::Pop::block), [`zmpop`] with [`block`](crate::command::MultiPop::block) |
/// | large sorted sets | [`zscan`] |
/// | cached, with `fills = true` | [`get_or_set`], [`try_get_or_set`], [`get_or_set_optional`], [`try_get_or_set_optional`]; see [caching](crate::guide::caching#collections) |
///
/// [`zadd`]: crate::Key::zadd
/// [`zadd_many`]: crate::Key::zadd_many
/// [`zincr_by`]: crate::Key::zincr_by
/// [`zrem`]: crate::Key::zrem
/// [`zrem_many`]: crate::Key::zrem_many
/// [`zrem_range`]: crate::Key::zrem_range
/// [`zrem_range_by_score`]: crate::Key::zrem_range_by_score
/// [`zrem_range_by_lex`]: crate::Key::zrem_range_by_lex
/// [`zpop_min`]: crate::Key::zpop_min
/// [`zpop_max`]: crate::Key::zpop_max
/// [`zpop_min_many`]: crate::Key::zpop_min_many
/// [`zpop_max_many`]: crate::Key::zpop_max_many
/// [`zmpop`]: crate::Key::zmpop
/// [`keep_top`]: crate::command::ZAdd::keep_top
/// [`zrange`]: crate::Key::zrange
/// [`zrange_by_score`]: crate::Key::zrange_by_score
/// [`zrange_by_lex`]: crate::Key::zrange_by_lex
/// [`zscore`]: crate::Key::zscore
/// [`zscores`]: crate::Key::zscores
/// [`zrank`]: crate::Key::zrank
/// [`zcard`]: crate::Key::zcard
/// [`zcount`]: crate::Key::zcount
/// [`zlex_count`]: crate::Key::zlex_count
/// [`zrandmember`]: crate::Key::zrandmember
/// [`zrandmembers`]: crate::Key::zrandmembers
/// [`zaround`]: crate::Key::zaround
/// [`zpage`]: crate::Key::zpage
/// [`with_score`]: crate::command::ZRank::with_score
/// [`zunion`]: crate::Key::zunion
/// [`zinter`]: crate::Key::zinter
/// [`zdiff`]: crate::Key::zdiff
/// [`zinter_card`]: crate::Key::zinter_card
/// [`zscan`]: crate::Key::zscan
/// [`get_or_set`]: crate::Key::get_or_set
/// [`try_get_or_set`]: crate::Key::try_get_or_set
/// [`get_or_set_optional`]: crate::Key::get_or_set_optional
/// [`try_get_or_set_optional`]: crate::Key::try_get_or_set_optional
///
/// # TTL
///
/// The write that creates the sorted set sets the TTL of the template, and later writes keep it.
/// Write `renew = "write"` if every write should set it, and `ttl = none` for a sorted set without
/// end.
#[derive(Debug)]
pub struct SortedSet<T>(PhantomData<fn() -> T>);

impl<T: SingleValue> Kind for SortedSet<T> {
    const WIRE_FORMAT: &'static str = T::WIRE_FORMAT;
    const REDIS_TYPE: &'static str = "zset";
    const IS_FILLED: bool = false;
    const MAY_BE_FILLED: bool = true;
    const IS_COLLECTION: bool = true;
}

impl<T: SingleValue> Stored for SortedSet<T> {}
