//! The kind of hashes.

use std::marker::PhantomData;

use crate::kind::{Kind, SingleValue, Stored};

/// A Redis hash used as a map: fields of kind `F` with values of kind `V`.
///
/// Both are single-value kinds: `Hash<Text, u64>`, `Hash<u64, Json<Item>>`. Fields are compared as
/// bytes, as the members of a [`Set`](super::Set).
///
/// ```
/// use redis_keyspace::{Hash, Keyspace, Redis, Text};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "org", ttl = "1d")]
/// struct OrgKeys {
///     #[key("{org}:flags")]
///     flags: fn(org: u64) -> Hash<Text, bool>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let flags = OrgKeys::flags(1);
/// assert!(flags.hset("beta", &true).await?);
/// assert_eq!(flags.hget("beta").await?, Some(true));
/// assert_eq!(flags.hget("alpha").await?, None);
/// # Ok(()) }).await }
/// ```
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | write | [`hset`], [`hset_many`], [`hincr_by`] |
/// | read | [`hget`], [`hget_many`], [`hget_all`], [`hkeys`], [`hvals`], [`hlen`], [`hexists`], [`hstrlen`], [`hrandfield`], [`hrandfields`] |
/// | remove | [`hdel`], [`hdel_many`], [`hget_del`] |
/// | TTLs of fields | [`hexpire`], [`hexpire_at`], [`httl`], [`hexpire_time`], [`hpersist`], [`hget_ex`] |
/// | large hashes | [`hscan`] |
/// | cached, with `fills = true` | [`get_or_set`], [`try_get_or_set`], [`get_or_set_optional`], [`try_get_or_set_optional`]; single fields: [`hget_or_set_many`], [`try_hget_or_set_many`]; see [caching](crate::guide::caching#collections) |
///
/// [`hget_del`]: crate::Key::hget_del
/// [`hexpire`]: crate::Key::hexpire
/// [`hexpire_at`]: crate::Key::hexpire_at
/// [`httl`]: crate::Key::httl
/// [`hexpire_time`]: crate::Key::hexpire_time
/// [`hpersist`]: crate::Key::hpersist
/// [`hget_ex`]: crate::Key::hget_ex
/// [`hscan`]: crate::Key::hscan
/// [`hset`]: crate::Key::hset
/// [`hset_many`]: crate::Key::hset_many
/// [`hincr_by`]: crate::Key::hincr_by
/// [`hget`]: crate::Key::hget
/// [`hget_many`]: crate::Key::hget_many
/// [`hget_all`]: crate::Key::hget_all
/// [`hkeys`]: crate::Key::hkeys
/// [`hvals`]: crate::Key::hvals
/// [`hlen`]: crate::Key::hlen
/// [`hexists`]: crate::Key::hexists
/// [`hstrlen`]: crate::Key::hstrlen
/// [`hrandfield`]: crate::Key::hrandfield
/// [`hrandfields`]: crate::Key::hrandfields
/// [`hdel`]: crate::Key::hdel
/// [`hdel_many`]: crate::Key::hdel_many
/// [`hget_or_set_many`]: crate::Key::hget_or_set_many
/// [`try_hget_or_set_many`]: crate::Key::try_hget_or_set_many
/// [`get_or_set`]: crate::Key::get_or_set
/// [`try_get_or_set`]: crate::Key::try_get_or_set
/// [`get_or_set_optional`]: crate::Key::get_or_set_optional
/// [`try_get_or_set_optional`]: crate::Key::try_get_or_set_optional
///
/// # TTL
///
/// The write that creates the hash sets the TTL of the template, and later writes keep it. Write
/// `renew = "write"` if every write should set it, and `ttl = none` for a hash without end.
#[derive(Debug)]
pub struct Hash<F, V>(PhantomData<fn() -> (F, V)>);

impl<F: SingleValue, V: SingleValue> Kind for Hash<F, V> {
    const WIRE_FORMAT: &'static str = V::WIRE_FORMAT;
    const REDIS_TYPE: &'static str = "hash";
    const IS_FILLED: bool = false;
    const MAY_BE_FILLED: bool = true;
    const IS_COLLECTION: bool = true;
}

impl<F: SingleValue, V: SingleValue> Stored for Hash<F, V> {}
