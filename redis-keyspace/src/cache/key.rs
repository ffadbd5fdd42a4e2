//! The operations of keys that fill.

use std::fmt::Debug;

use super::builder::GetOrSet;
use super::loader::{Always, Fallible, FallibleOptional, Optional};
use crate::kind::SingleValue;
use crate::schema::Key;
use crate::schema::Keyspace;

/// Read, or load and store.
impl<S: Keyspace, V: SingleValue> Key<S, V> {
    /// Reads the value; if it does not exist or can't be decoded, runs the loader and stores what it returns.
    ///
    /// Callers of this process that miss the key at the same time share one load: the first runs its loader, and all receive
    /// the value, decoded from its bytes. If that loader panics or is dropped, the next caller loads; if it fails, one more
    /// does. If that one fails as well, the waiting callers fail with [`Coalesced`](super::FillError::Coalesced), which
    /// contains the loader's error as a string. With [`across_processes`](GetOrSet::across_processes), this holds for all
    /// processes. Two loaders that wait for each other's keys deadlock.
    ///
    /// The loaded value is stored only if the key was not written or deleted since before the loader ran: `set`, `del`,
    /// `update`, `expire`, deleting by pattern and other writes end every load in flight, in any process. Its callers receive the
    /// value anyway; a caller that comes after the write does not, and loads again. So deleted values never come back: delete a
    /// key after the change to its source. Writes by programs without this library are noticed if they change the value.
    ///
    /// One round trip on a hit, three on a miss. No connection is held while the loader runs. If the loaded value can't be
    /// stored, also because the server rejects writes (`OOM`, `MISCONF`, ..), the callers receive it anyway, and
    /// [`stats`](crate::Redis::stats) counts it.
    ///
    /// ```
    /// # use redis_keyspace::{Json, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "product", ttl = 300)]
    /// # struct ProductKeys { names: Json<Vec<String>> }
    /// # async fn query_the_database() -> Vec<String> { vec!["lamp".into()] }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let names = ProductKeys::names().get_or_set(|| query_the_database()).await?;
    /// assert_eq!(names, ["lamp"]);
    /// assert!(ProductKeys::names().exists().await?);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// For a loader that can fail, use [`try_get_or_set`](Self::try_get_or_set); for a loader that may find no value,
    /// [`get_or_set_optional`](Self::get_or_set_optional).
    ///
    /// # Errors
    ///
    /// Those of any command, before the loader runs, and [`LoaderTimeout`](crate::ErrorKind::LoaderTimeout) after a
    /// [hard timeout](GetOrSet::hard_timeout). After the loader ran, values that can never be stored: one without an encoding
    /// ([`Encode`](crate::ErrorKind::Encode)), one larger than `max_value_bytes` ([`TooLarge`](crate::ErrorKind::TooLarge)),
    /// and one with an invalid TTL ([`InvalidInput`](crate::ErrorKind::InvalidInput)).
    ///
    /// # Cancellation
    ///
    /// As for [`GetOrSet`].
    pub fn get_or_set<'l, F, Fut>(&self, loader: F) -> GetOrSet<'l, S, V, Always<F>>
    where
        F: FnOnce() -> Fut + Send + 'l,
        Fut: Future<Output = V::Owned> + Send + 'l,
    {
        GetOrSet::new(self.clone(), Always(loader))
    }

    /// Like [`get_or_set`](Self::get_or_set), with a loader that can fail. Then nothing is stored.
    ///
    /// The error type needs only `Debug`, which tells waiting callers why the load failed. [`FillError`](super::FillError)
    /// shows how to use it with `?`.
    ///
    /// # Errors
    ///
    /// The loader's error as [`FillError::Loader`](super::FillError::Loader), and those of [`get_or_set`](Self::get_or_set) as
    /// the other variants.
    pub fn try_get_or_set<'l, F, Fut, E>(&self, loader: F) -> GetOrSet<'l, S, V, Fallible<F>>
    where
        F: FnOnce() -> Fut + Send + 'l,
        Fut: Future<Output = Result<V::Owned, E>> + Send + 'l,
        E: Debug + Send,
    {
        GetOrSet::new(self.clone(), Fallible(loader))
    }

    /// Like [`get_or_set`](Self::get_or_set), with a loader that may find no value. With a
    /// [`negative_ttl`](GetOrSet::negative_ttl), that is remembered for a while; a call that finds it takes two round trips.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "user", ttl = "1h", negative_ttl = "30s")]
    /// struct UserKeys {
    ///     name: fn(id: u64) -> Text,
    /// }
    ///
    /// # async fn find_user(id: u64) -> Option<String> { (id == 7).then(|| "Ada".to_owned()) }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let missing = UserKeys::name(8).get_or_set_optional(|| find_user(8)).negative_ttl(Duration::from_secs(10));
    /// assert_eq!(missing.await?, None);
    /// let missing = UserKeys::name(8).get_or_set_optional(|| async { unreachable!("it is known") });
    /// assert_eq!(missing.await?, None);
    /// UserKeys::name(8).set("Bob").await?;
    /// assert_eq!(UserKeys::name(8).get_or_set_optional(|| find_user(8)).await?.as_deref(), Some("Bob"));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`get_or_set`](Self::get_or_set).
    pub fn get_or_set_optional<'l, F, Fut>(&self, loader: F) -> GetOrSet<'l, S, V, Optional<F>>
    where
        F: FnOnce() -> Fut + Send + 'l,
        Fut: Future<Output = Option<V::Owned>> + Send + 'l,
    {
        GetOrSet::new(self.clone(), Optional(loader))
    }

    /// Like [`get_or_set_optional`](Self::get_or_set_optional), with a loader that can fail.
    ///
    /// # Errors
    ///
    /// As for [`try_get_or_set`](Self::try_get_or_set).
    pub fn try_get_or_set_optional<'l, F, Fut, E>(&self, loader: F) -> GetOrSet<'l, S, V, FallibleOptional<F>>
    where
        F: FnOnce() -> Fut + Send + 'l,
        Fut: Future<Output = Result<Option<V::Owned>, E>> + Send + 'l,
        E: Debug + Send,
    {
        GetOrSet::new(self.clone(), FallibleOptional(loader))
    }
}
