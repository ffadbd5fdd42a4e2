//! The methods of [`Key`] that fill.

use std::fmt::Debug;

use super::builder::GetOrSet;
use super::kind::FilledKind;
use super::loader::{
    Always, AlwaysOne, Fallible, FallibleOne, FallibleOptional, FallibleOptionalOne, LoadedOption,
    LoadedValue, Optional, OptionalOne, TryLoadedOption, TryLoadedValue,
};
use crate::schema::{FilledKeyspace, Key, Keyspace};

/// Read-through caching: read the value, or load and store it.
impl<S: Keyspace, V: FilledKind> Key<S, V> {
    /// Returns the value at the key. If it does not exist or can't be decoded, runs the loader,
    /// stores the loaded value and returns it.
    ///
    /// Callers in this process that miss the key at the same time share one load, if they are on
    /// one tokio runtime and their handles have the same configuration. The first caller runs its
    /// loader, and all receive the value, decoded from its bytes. If that loader panics or is
    /// dropped, the next caller runs its own. If it fails, one more caller tries. If that one fails
    /// as well, the waiting callers fail with [`LoaderFailed`](crate::ErrorKind::LoaderFailed).
    /// With [`across_processes`](GetOrSet::across_processes), all processes share one load.
    ///
    /// A loader may read other keys with `get_or_set`. If two loaders in this process wait for each
    /// other's keys, one of them loads the other's key itself. This is not detected if a loader
    /// waits in a task that it spawned, or if the keys are on different servers. Then both block
    /// until one of them has waited for the [`wait_timeout`](GetOrSet::wait_timeout).
    ///
    /// The loaded value is stored only if the key is not written or deleted while the loader runs.
    /// `set`, `del`, `update`, `expire`, deletion by pattern and other writes end every load in
    /// flight, in any process. Callers that already wait for such a load receive its value. A
    /// caller that arrives after the write does not: it loads again. So a deleted value never comes
    /// back, provided that you change the source first and delete the key afterwards. Writes by
    /// programs that do not use this library are noticed if they change the value.
    ///
    /// No connection is held while the loader runs. If the loaded value can't be stored, for
    /// example because the server rejects writes (`OOM`, `MISCONF`, ..), the callers receive it
    /// anyway, and [`stats`](crate::Redis::stats) counts it.
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
    /// For a loader that can fail, use [`try_get_or_set`](Self::try_get_or_set); for a loader that
    /// may find no value, [`get_or_set_optional`](Self::get_or_set_optional).
    ///
    /// # Collections
    ///
    /// For a [`Hash`](struct@crate::Hash), [`List`](crate::List), [`Record`](struct@crate::Record),
    /// [`Set`](crate::Set) or [`SortedSet`](crate::SortedSet), the template must declare
    /// `fills = true`. The loader and the call return the whole collection: a `HashMap` of fields
    /// and values, a `Vec` of elements, the record, a `HashSet` of members, or a `Vec` of members
    /// with scores. It is stored in one atomic step with the TTL of the template. A collection that
    /// exists is returned as it is, so a write that adds to a missing key hides what the loader
    /// would return: after a change of the source, delete the key.
    ///
    /// An empty collection is returned and not stored, and so is a record whose fields are all
    /// `None`. If the template declares `negative_ttl`, it is remembered as a negative entry. The
    /// variants for loaders that may find no value return `None` for it.
    ///
    /// # Errors
    ///
    /// Before the loader runs: those of any command; see [`ErrorKind`](crate::ErrorKind). Also
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the template declares `fills = false`, or
    /// if it is a collection without `fills = true`. If the keyspace declares `fills = false`, the
    /// call does not compile.
    ///
    /// After a [hard timeout](GetOrSet::hard_timeout):
    /// [`LoaderTimeout`](crate::ErrorKind::LoaderTimeout). If the loaders of two other callers
    /// failed: [`LoaderFailed`](crate::ErrorKind::LoaderFailed).
    ///
    /// After the loader ran, only values that can never be stored are errors: a value without an
    /// encoding ([`Encode`](crate::ErrorKind::Encode)), a value larger than `max_value_bytes`
    /// ([`TooLarge`](crate::ErrorKind::TooLarge)), and a value with an invalid TTL
    /// ([`InvalidInput`](crate::ErrorKind::InvalidInput)). On a server without TTLs of fields, a
    /// record that declares one is another ([`MissingCommand`](crate::ErrorKind::MissingCommand)).
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the loader. A value that is already loaded may or may not be
    /// stored. See [`GetOrSet`].
    ///
    /// # Round trips
    ///
    /// One on a hit, three on a miss. A caller that waits for another caller's load takes one or
    /// two.
    pub fn get_or_set<'l, F, Fut>(&self, loader: F) -> GetOrSet<'l, S, V, AlwaysOne<'l, F, V::Value>>
    where
        S: FilledKeyspace,
        F: FnOnce() -> Fut + Send + 'l,
        Fut: LoadedValue<V::Value> + Send + 'l,
    {
        GetOrSet::new(self.clone(), Always { closure: loader, call: |load| Box::pin(load()) })
    }

    /// Like [`get_or_set`](Self::get_or_set), with a loader that can fail. If it fails, nothing is
    /// stored.
    ///
    /// The error type must implement `Debug`, because waiting callers receive its text.
    /// [`FillError`](super::FillError) shows how to use it with `?`.
    ///
    /// ```
    /// # use redis_keyspace::cache::FillError;
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "1h")]
    /// # struct UserKeys { name: fn(id: u64) -> Text }
    /// # async fn query_name(id: u64) -> Result<String, &'static str> {
    /// #     if id == 7 { Ok("Ada".to_owned()) } else { Err("no such user") }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # Redis::embedded().scope(async {
    /// let name = UserKeys::name(7).try_get_or_set(|| query_name(7)).await;
    /// assert_eq!(name.unwrap(), "Ada");
    /// let missing = UserKeys::name(8).try_get_or_set(|| query_name(8)).await;
    /// assert!(matches!(missing, Err(FillError::Loader("no such user"))));
    /// # }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// The loader's error as [`FillError::Loader`](super::FillError::Loader), and the errors of
    /// [`get_or_set`](Self::get_or_set) as the other variants.
    ///
    /// # Cancellation
    ///
    /// As for [`get_or_set`](Self::get_or_set).
    ///
    /// # Round trips
    ///
    /// As for [`get_or_set`](Self::get_or_set).
    pub fn try_get_or_set<'l, F, Fut, E>(
        &self,
        loader: F,
    ) -> GetOrSet<'l, S, V, FallibleOne<'l, F, V::Value, E>>
    where
        S: FilledKeyspace,
        F: FnOnce() -> Fut + Send + 'l,
        Fut: TryLoadedValue<V::Value, E> + Send + 'l,
        E: Debug + Send,
    {
        GetOrSet::new(self.clone(), Fallible { closure: loader, call: |load| Box::pin(load()) })
    }

    /// Like [`get_or_set`](Self::get_or_set), with a loader that may find no value. With a
    /// [`negative_ttl`](GetOrSet::negative_ttl), the absence is remembered for that time. For a
    /// collection, an empty one is the same as none.
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
    ///
    /// # Cancellation
    ///
    /// As for [`get_or_set`](Self::get_or_set).
    ///
    /// # Round trips
    ///
    /// One on a hit, two if a negative entry exists, else three.
    pub fn get_or_set_optional<'l, F, Fut>(
        &self,
        loader: F,
    ) -> GetOrSet<'l, S, V, OptionalOne<'l, F, V::Value>>
    where
        S: FilledKeyspace,
        F: FnOnce() -> Fut + Send + 'l,
        Fut: LoadedOption<V::Value> + Send + 'l,
    {
        GetOrSet::new(self.clone(), Optional { closure: loader, call: |load| Box::pin(load()) })
    }

    /// Like [`get_or_set_optional`](Self::get_or_set_optional), with a loader that can fail. If it
    /// fails, nothing is stored.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "1h", negative_ttl = "30s")]
    /// # struct UserKeys { name: fn(id: u64) -> Text }
    /// # async fn query_name(id: u64) -> Result<Option<String>, &'static str> {
    /// #     Ok((id == 7).then(|| "Ada".to_owned()))
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # Redis::embedded().scope(async {
    /// let name = UserKeys::name(7).try_get_or_set_optional(|| query_name(7)).await;
    /// assert_eq!(name.unwrap().as_deref(), Some("Ada"));
    /// let missing = UserKeys::name(8).try_get_or_set_optional(|| query_name(8)).await;
    /// assert_eq!(missing.unwrap(), None);
    /// # }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`try_get_or_set`](Self::try_get_or_set).
    ///
    /// # Cancellation
    ///
    /// As for [`get_or_set`](Self::get_or_set).
    ///
    /// # Round trips
    ///
    /// As for [`get_or_set_optional`](Self::get_or_set_optional).
    pub fn try_get_or_set_optional<'l, F, Fut, E>(
        &self,
        loader: F,
    ) -> GetOrSet<'l, S, V, FallibleOptionalOne<'l, F, V::Value, E>>
    where
        S: FilledKeyspace,
        F: FnOnce() -> Fut + Send + 'l,
        Fut: TryLoadedOption<V::Value, E> + Send + 'l,
        E: Debug + Send,
    {
        GetOrSet::new(self.clone(), FallibleOptional { closure: loader, call: |load| Box::pin(load()) })
    }
}
