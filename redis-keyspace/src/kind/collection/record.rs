//! The kind of records.

use std::marker::PhantomData;

use crate::kind::{Kind, RecordFields, Stored};

/// A struct of type `T` in a Redis hash: each field of the struct is a field of the hash.
///
/// `T` derives [`Record`](derive@crate::Record). Its fields can be loaded and saved together, or
/// each on its own, by the constants that the derive generates: `Profile::NAME` for `name`.
///
/// ```
/// use redis_keyspace::{Keyspace, Record, Redis};
///
/// #[derive(Debug, PartialEq, Record)]
/// struct Profile {
///     name: String,
///     visits: u64,
///     score: f64,
///     email: Option<String>,
/// }
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "user", ttl = "30d")]
/// struct UserKeys {
///     #[key("{id}:profile")]
///     profile: fn(id: u64) -> Record<Profile>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let profile = UserKeys::profile(7);
/// assert_eq!(profile.load().await?, None);
/// let ann = Profile { name: "Ann".into(), visits: 0, score: 0.5, email: None };
/// profile.save(&ann).await?;
///
/// // One field, or some of them, without the rest.
/// assert_eq!(profile.incr(Profile::VISITS, 1).await?, 1);
/// profile.set(Profile::EMAIL, "ann@example.com").await?;
/// let (name, email) = profile.get((Profile::NAME, Profile::EMAIL)).await?;
/// assert_eq!((name.as_deref(), email.as_deref()), (Some("Ann"), Some("ann@example.com")));
///
/// // All of them, atomically: only what changed is written.
/// let ann = profile.update(|profile| profile.score += 1.0).await?.unwrap();
/// assert_eq!((ann.visits, ann.score), (1, 1.5));
/// # Ok(()) }).await }
/// ```
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | whole | [`load`], [`save`], [`update`], [`update_or_insert`], [`update_with`] |
/// | read fields | [`get`], [`exists_field`] |
/// | write fields | [`set`], [`set_fields`], [`incr`], [`remove`] |
/// | TTLs of fields | [`expire_field`], [`expire_field_at`], [`field_ttl`], [`field_expire_time`], [`persist_field`] |
/// | cached, with `fills = true` | [`get_or_set`], [`try_get_or_set`], [`get_or_set_optional`], [`try_get_or_set_optional`]; see [caching](crate::guide::caching#collections) |
///
/// [`expire_field`]: crate::Key::expire_field
/// [`expire_field_at`]: crate::Key::expire_field_at
/// [`field_ttl`]: crate::Key::field_ttl
/// [`field_expire_time`]: crate::Key::field_expire_time
/// [`persist_field`]: crate::Key::persist_field
/// [`load`]: crate::Key::load
/// [`save`]: crate::Key::save
/// [`update`]: crate::update::UpdateRecord
/// [`update_or_insert`]: crate::update::UpdateRecord
/// [`update_with`]: crate::update::UpdateRecord
/// [`get`]: crate::Key#impl-Key%3CS,+Record%3CT%3E%3E
/// [`exists_field`]: crate::Key::exists_field
/// [`set`]: crate::Key#impl-Key%3CS,+Record%3CT%3E%3E
/// [`set_fields`]: crate::Key::set_fields
/// [`incr`]: crate::Key#impl-Key%3CS,+Record%3CT%3E%3E
/// [`remove`]: crate::Key::remove
/// [`get_or_set`]: crate::Key::get_or_set
/// [`try_get_or_set`]: crate::Key::try_get_or_set
/// [`get_or_set_optional`]: crate::Key::get_or_set_optional
/// [`try_get_or_set_optional`]: crate::Key::try_get_or_set_optional
///
/// # Fields that are missing or unknown
///
/// A hash without fields does not exist, so [`load`] returns `None` then. In a hash that exists, a
/// missing field is `None` if it is an `Option`, and its default if it has one. Otherwise, loading
/// fails with [`Decode`](crate::ErrorKind::Decode): missing fields are not filled with default
/// values.
///
/// A field of the hash that the struct does not have is never changed. So an old and a new version
/// of a program can share a record.
///
/// # TTL
///
/// The write that creates the hash sets the TTL of the template, and later writes keep it, also
/// [`save`]. Write `renew = "write"` if every write should set it, and `ttl = none` for a record
/// without end.
///
/// A field with `#[record(ttl = "1h")]` has its own TTL. Every write of the field sets
/// it, except an increment of a field that exists. This needs Redis 7.4 or Valkey 9.0.
#[derive(Debug)]
pub struct Record<T>(PhantomData<fn() -> T>);

impl<T: RecordFields> Kind for Record<T> {
    const WIRE_FORMAT: &'static str = "a field for each field of the struct";
    const REDIS_TYPE: &'static str = "hash";
    const IS_FILLED: bool = false;
    const MAY_BE_FILLED: bool = true;
    const IS_COLLECTION: bool = true;
}

impl<T: RecordFields> Stored for Record<T> {}
