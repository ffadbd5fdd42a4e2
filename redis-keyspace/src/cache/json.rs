//! `get_or_set` of JSON values, under a name that users of other Redis modules know.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::builder::GetOrSet;
use super::loader::{AlwaysOne, LoadedValue};
use crate::kind::Json;
use crate::schema::{FilledKeyspace, Key, Keyspace};

/// Caching of JSON values.
impl<S: Keyspace, T: Serialize + DeserializeOwned + Send + 'static> Key<S, Json<T>> {
    /// Returns the value at the key, or loads and stores it. An alias of
    /// [`get_or_set`](Self::get_or_set).
    ///
    /// ```
    /// # use redis_keyspace::{Json, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "product", ttl = 300)]
    /// # struct ProductKeys { names: Json<Vec<String>> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let names = ProductKeys::names().get_or_set_json(|| async { vec!["lamp".to_owned()] }).await?;
    /// assert_eq!(names, ["lamp"]);
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
    /// As for [`get_or_set`](Self::get_or_set).
    pub fn get_or_set_json<'l, F, Fut>(&self, loader: F) -> GetOrSet<'l, S, Json<T>, AlwaysOne<'l, F, T>>
    where
        S: FilledKeyspace,
        F: FnOnce() -> Fut + Send + 'l,
        Fut: LoadedValue<T> + Send + 'l,
    {
        self.get_or_set(loader)
    }
}
