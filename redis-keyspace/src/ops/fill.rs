//! Values that are loaded when they are not there.

use crate::cache::{Always, Fallible, FallibleOptional, GetOrSet, Optional};
use crate::key::Key;
use crate::keyspace::Keyspace;
use crate::kind::SingleValue;

/// Read, or load and store.
impl<S: Keyspace, V: SingleValue> Key<S, V> {
    /// Reads the value; when there is none, or one that can't be decoded, runs the loader and stores what it gives.
    ///
    /// Callers of this process who miss the key at the same time share one load: the first runs its loader, and all get the
    /// value, read back from its bytes. Should that one panic or be dropped, the next one loads; should it fail, one more does,
    /// and if that fails as well, those who wait fail with [`Coalesced`](crate::FillError::Coalesced). With
    /// [`across_processes`](GetOrSet::across_processes), so do those of all processes. A loader that waits for another key's,
    /// which waits for this one's, waits for ever.
    ///
    /// What is loaded is stored only if nothing has written or deleted the key since before the loader was called: `set`, `del`,
    /// `update`, `expire` with zero, deleting by pattern and the like end every load under way, in whatever process. Its callers
    /// get the value all the same; who comes after the write does not, and loads anew. So what was deleted does not come back:
    /// delete a key after the change to what it was loaded from. Programs that write the key without this library are noticed
    /// if the value is another one than before.
    ///
    /// One round trip on a hit, three on a miss. No connection is held while the loader runs. When what was loaded can't be stored,
    /// its callers get it all the same, also from a server that takes no writes (`OOM`, `MISCONF`, ..), and
    /// [`stats`](crate::Redis::stats) count it.
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
    /// For a loader that can fail there is [`try_get_or_set`](Self::try_get_or_set), for one that may find nothing
    /// [`get_or_set_optional`](Self::get_or_set_optional).
    ///
    /// # Errors
    ///
    /// Those of any command, before the loader has run; [`LoaderTimeout`](crate::ErrorKind::LoaderTimeout) after a
    /// [hard timeout](GetOrSet::hard_timeout), its own or those of the callers waited for. And mistakes that would hide behind a cache that never hits: a value that has no
    /// encoding, is longer than `max_value` ([`TooLarge`](crate::ErrorKind::TooLarge)), or is given a lifetime that can't be, after
    /// the loader has run; those who wait for it get the value.
    ///
    /// # Cancellation
    ///
    /// As of [`GetOrSet`].
    pub fn get_or_set<'l, F, Fut>(&self, loader: F) -> GetOrSet<'l, S, V, Always<F>>
    where
        F: FnOnce() -> Fut + Send + 'l,
        Fut: Future<Output = V::Owned> + Send + 'l,
    {
        GetOrSet::new(self.clone(), Always(loader))
    }

    /// Like [`get_or_set`](Self::get_or_set) with a loader that can fail; nothing is stored then.
    ///
    /// # Errors
    ///
    /// The loader's as [`FillError::Loader`](crate::FillError::Loader), and those of [`get_or_set`](Self::get_or_set) as the others.
    pub fn try_get_or_set<'l, F, Fut, E>(&self, loader: F) -> GetOrSet<'l, S, V, Fallible<F>>
    where
        F: FnOnce() -> Fut + Send + 'l,
        Fut: Future<Output = Result<V::Owned, E>> + Send + 'l,
        E: Send,
    {
        GetOrSet::new(self.clone(), Fallible(loader))
    }

    /// Like [`get_or_set`](Self::get_or_set) with a loader that may find that there is no value. With a
    /// [`negative_ttl`](GetOrSet::negative_ttl), that is remembered for a while. It costs two round trips to be told so.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "1h")]
    /// # struct UserKeys { name: fn(id: u64) -> Text }
    /// # async fn find_user(id: u64) -> Option<String> { (id == 7).then(|| "Ada".to_owned()) }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let nobody = UserKeys::name(8).get_or_set_optional(|| find_user(8)).negative_ttl(Duration::from_secs(30));
    /// assert_eq!(nobody.await?, None);
    /// let nobody = UserKeys::name(8).get_or_set_optional(|| async { unreachable!("it is known") });
    /// assert_eq!(nobody.await?, None);
    /// UserKeys::name(8).set("Bob").await?;
    /// assert_eq!(UserKeys::name(8).get_or_set_optional(|| find_user(8)).await?.as_deref(), Some("Bob"));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`get_or_set`](Self::get_or_set).
    pub fn get_or_set_optional<'l, F, Fut>(&self, loader: F) -> GetOrSet<'l, S, V, Optional<F>>
    where
        F: FnOnce() -> Fut + Send + 'l,
        Fut: Future<Output = Option<V::Owned>> + Send + 'l,
    {
        GetOrSet::new(self.clone(), Optional(loader))
    }

    /// Like [`get_or_set_optional`](Self::get_or_set_optional) with a loader that can fail.
    ///
    /// # Errors
    ///
    /// As [`try_get_or_set`](Self::try_get_or_set).
    pub fn try_get_or_set_optional<'l, F, Fut, E>(&self, loader: F) -> GetOrSet<'l, S, V, FallibleOptional<F>>
    where
        F: FnOnce() -> Fut + Send + 'l,
        Fut: Future<Output = Result<Option<V::Owned>, E>> + Send + 'l,
        E: Send,
    {
        GetOrSet::new(self.clone(), FallibleOptional(loader))
    }
}
