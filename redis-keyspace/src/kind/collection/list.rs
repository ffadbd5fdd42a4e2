//! The kind of lists.

use std::marker::PhantomData;

use crate::kind::{Kind, SingleValue, Stored};

/// A Redis list: elements in the order in which they were added, at both ends.
///
/// `T` is a single-value kind: `List<u64>`, `List<Json<Event>>`.
///
/// ```
/// use redis_keyspace::{Keyspace, List, Redis, Text};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "feed", ttl = "7d")]
/// struct FeedKeys {
///     /// The latest entries first.
///     #[key("user:{id}")]
///     user: fn(id: u64) -> List<Text>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let feed = FeedKeys::user(7);
/// assert_eq!(feed.lpush("first").await?, 1);
/// assert_eq!(feed.lpush("second").await?, 2);
/// assert_eq!(feed.lrange(..10).await?, ["second", "first"]);
/// # Ok(()) }).await }
/// ```
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | add | [`lpush`], [`rpush`], [`lpush_many`], [`rpush_many`], [`linsert_before`], [`linsert_after`], [`lset`] |
/// | take | [`lpop`], [`rpop`], [`lpop_many`], [`rpop_many`], [`lmove`], [`lmpop`] |
/// | wait for an element | [`lpop`], [`rpop`] and [`lmove`] with [`block`](crate::command::Pop::block), [`lmpop`] with [`block`](crate::command::MultiPop::block) |
/// | read | [`lrange`], [`lindex`], [`llen`], [`lpos`] |
/// | remove | [`lrem`], [`ltrim`]; [`lpush`] and [`rpush`] with [`trim_to`](crate::command::Push::trim_to) |
/// | cached, with `fills = true` | [`get_or_set`], [`try_get_or_set`], [`get_or_set_optional`], [`try_get_or_set_optional`]; see [caching](crate::guide::caching#collections) |
///
/// [`lpush`]: crate::Key::lpush
/// [`rpush`]: crate::Key::rpush
/// [`lpush_many`]: crate::Key::lpush_many
/// [`rpush_many`]: crate::Key::rpush_many
/// [`linsert_before`]: crate::Key::linsert_before
/// [`linsert_after`]: crate::Key::linsert_after
/// [`lset`]: crate::Key::lset
/// [`lpop`]: crate::Key::lpop
/// [`rpop`]: crate::Key::rpop
/// [`lpop_many`]: crate::Key::lpop_many
/// [`rpop_many`]: crate::Key::rpop_many
/// [`lmove`]: crate::Key::lmove
/// [`lmpop`]: crate::Key::lmpop
/// [`lrange`]: crate::Key::lrange
/// [`lindex`]: crate::Key::lindex
/// [`llen`]: crate::Key::llen
/// [`lpos`]: crate::Key::lpos
/// [`lrem`]: crate::Key::lrem
/// [`ltrim`]: crate::Key::ltrim
/// [`get_or_set`]: crate::Key::get_or_set
/// [`try_get_or_set`]: crate::Key::try_get_or_set
/// [`get_or_set_optional`]: crate::Key::get_or_set_optional
/// [`try_get_or_set_optional`]: crate::Key::try_get_or_set_optional
///
/// # TTL
///
/// The write that creates the list sets the TTL of the template, and later writes keep it. So a
/// list that is always in use expires as a whole, with its newest elements. A list that is emptied
/// is deleted, and the next write creates it again. For a queue, write `ttl = none`. For a list
/// that should live as long as it is written, write `renew = "write"`.
#[derive(Debug)]
pub struct List<T>(PhantomData<fn() -> T>);

impl<T: SingleValue> Kind for List<T> {
    const WIRE_FORMAT: &'static str = T::WIRE_FORMAT;
    const REDIS_TYPE: &'static str = "list";
    const IS_FILLED: bool = false;
    const MAY_BE_FILLED: bool = true;
    const IS_COLLECTION: bool = true;
}

impl<T: SingleValue> Stored for List<T> {}
