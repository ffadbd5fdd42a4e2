//! Aliases of the operations of JSON values, under the names that users of other Redis modules
//! know.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::base::Command;
use super::set::SetValue;
use crate::kind::Json;
use crate::schema::{Key, Keyspace};

/// Aliases for JSON values.
impl<S: Keyspace, T: Serialize + DeserializeOwned + Send + 'static> Key<S, Json<T>> {
    /// Returns the value; `None` if the key does not exist. An alias of [`get`](Self::get).
    ///
    /// ```
    /// # use redis_keyspace::{Json, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "cart", ttl = "1h")]
    /// # struct CartKeys { user: fn(id: u64) -> Json<Vec<String>> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// CartKeys::user(7).set_json(&vec!["lamp".to_owned()]).await?;
    /// assert_eq!(CartKeys::user(7).get_json().await?, Some(vec!["lamp".to_owned()]));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn get_json(&self) -> Command<Option<T>> {
        self.get()
    }

    /// Stores a value with the TTL of the template. An alias of [`set`](Self::set), with the same
    /// options.
    ///
    /// ```
    /// # use redis_keyspace::{Json, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "cart", ttl = "1h")]
    /// # struct CartKeys { user: fn(id: u64) -> Json<Vec<String>> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// CartKeys::user(7).set_json(&vec!["lamp".to_owned()]).await?;
    /// assert!(CartKeys::user(7).exists().await?);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn set_json(&self, value: &T) -> SetValue<S, Json<T>, ()> {
        self.set(value)
    }
}
