//! The kind of sets.

use std::marker::PhantomData;

use crate::kind::{Kind, SingleValue, Stored};

/// A Redis set: different members, in no order.
///
/// `T` is a single-value kind: `Set<u64>`, `Set<Text>`. Members are compared as bytes, so equal
/// values must be encoded in the same way. A `Json<T>` with a `HashMap` inside is not: its order
/// changes.
///
/// ```
/// use redis_keyspace::{Keyspace, Redis, Set};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "room", ttl = "1d")]
/// struct RoomKeys {
///     #[key("{room}:online")]
///     online: fn(room: u64) -> Set<u64>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let online = RoomKeys::online(1);
/// assert!(online.sadd(&7).await?);
/// assert!(!online.sadd(&7).await?);
/// assert!(online.sismember(&7).await?);
/// assert_eq!(online.scard().await?, 1);
/// # Ok(()) }).await }
/// ```
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | add | [`sadd`], [`sadd_many`] |
/// | remove | [`srem`], [`srem_many`], [`spop`], [`spop_many`], [`smove`] |
/// | read | [`smembers`], [`smembers_vec`], [`sismember`], [`smismember`], [`scard`], [`srandmember`], [`srandmembers`] |
/// | combine | [`sinter`], [`sunion`], [`sdiff`], [`sinter_card`]; [`store`](crate::command::SetCombine::store) keeps the result |
/// | large sets | [`sscan`] |
/// | cached, with `fills = true` | [`get_or_set`], [`try_get_or_set`], [`get_or_set_optional`], [`try_get_or_set_optional`]; see [caching](crate::guide::caching#collections) |
///
/// [`sadd`]: crate::Key::sadd
/// [`sadd_many`]: crate::Key::sadd_many
/// [`srem`]: crate::Key::srem
/// [`srem_many`]: crate::Key::srem_many
/// [`spop`]: crate::Key::spop
/// [`spop_many`]: crate::Key::spop_many
/// [`smove`]: crate::Key::smove
/// [`smembers`]: crate::Key::smembers
/// [`smembers_vec`]: crate::Key::smembers_vec
/// [`sismember`]: crate::Key::sismember
/// [`smismember`]: crate::Key::smismember
/// [`scard`]: crate::Key::scard
/// [`srandmember`]: crate::Key::srandmember
/// [`srandmembers`]: crate::Key::srandmembers
/// [`sscan`]: crate::Key::sscan
/// [`sinter`]: crate::Key::sinter
/// [`sunion`]: crate::Key::sunion
/// [`sdiff`]: crate::Key::sdiff
/// [`sinter_card`]: crate::Key::sinter_card
/// [`get_or_set`]: crate::Key::get_or_set
/// [`try_get_or_set`]: crate::Key::try_get_or_set
/// [`get_or_set_optional`]: crate::Key::get_or_set_optional
/// [`try_get_or_set_optional`]: crate::Key::try_get_or_set_optional
///
/// # TTL
///
/// The write that creates the set sets the TTL of the template, and later writes keep it. For
/// presence, where every write should extend the TTL, write `renew = "write"`; for a set
/// without end, `ttl = none`.
#[derive(Debug)]
pub struct Set<T>(PhantomData<fn() -> T>);

impl<T: SingleValue> Kind for Set<T> {
    const WIRE_FORMAT: &'static str = T::WIRE_FORMAT;
    const REDIS_TYPE: &'static str = "set";
    const IS_FILLED: bool = false;
    const MAY_BE_FILLED: bool = true;
    const IS_COLLECTION: bool = true;
}

impl<T: SingleValue> Stored for Set<T> {}
