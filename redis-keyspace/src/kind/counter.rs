//! Counters.

use super::error::DecodeError;
use super::role::Role;
use super::traits::{Kind, Readable, SingleValue};

/// A counter: a signed 64-bit integer that Redis increments atomically.
///
/// Declared as the return type of a field: `views: fn(id: u64) -> Counter`. The increment that
/// creates the counter sets the TTL of the template; later increments keep the remaining TTL. A
/// missing counter reads as 0. See [`incr`](crate::Key::incr).
///
/// ```
/// use redis_keyspace::{Counter, Keyspace, Redis};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "page", ttl = "30d")]
/// struct PageKeys {
///     views: fn(id: u64) -> Counter,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let views = PageKeys::views(7);
/// assert_eq!(views.incr().await?, 1);
/// assert_eq!(views.incr_by(4).await?, 5);
/// assert_eq!(views.get().await?, 5);
/// assert_eq!(views.get_set(0).await?, Some(5));
/// # Ok(()) }).await }
/// ```
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | count | [`incr`], [`incr_by`], [`decr`], [`decr_by`] |
/// | read | [`get`], [`get_many`], [`get_ex`] |
/// | replace | [`set`], [`get_set`], [`get_del`] |
///
/// [`incr`]: crate::Key#impl-Key%3CS,+Counter%3E
/// [`incr_by`]: crate::Key::incr_by
/// [`decr`]: crate::Key::decr
/// [`decr_by`]: crate::Key::decr_by
/// [`get`]: crate::Key#impl-Key%3CS,+Counter%3E
/// [`get_many`]: crate::Key::get_many
/// [`get_ex`]: crate::Key#impl-Key%3CS,+Counter%3E
/// [`set`]: crate::Key#impl-Key%3CS,+Counter%3E
/// [`get_set`]: crate::Key#impl-Key%3CS,+Counter%3E
/// [`get_del`]: crate::Key#impl-Key%3CS,+Counter%3E
#[derive(Debug)]
pub struct Counter(());

impl Kind for Counter {
    const WIRE_FORMAT: &'static str = "a decimal integer";
    const IS_FILLED: bool = false;
    const ROLE: Role = Role::Counter;
}

impl Readable for Counter {
    type Value = i64;
    type Read = i64;

    fn read_present(bytes: &[u8]) -> Result<i64, DecodeError> {
        <i64 as SingleValue>::decode(bytes)
    }

    /// Returns 0 for a counter that does not exist.
    fn read(bytes: Option<bytes::Bytes>) -> Result<i64, DecodeError> {
        bytes.map_or(Ok(0), |bytes| Self::read_present(&bytes))
    }
}
