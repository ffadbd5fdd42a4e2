//! The operations of single values.

use super::base::Command;
use super::get_ex::GetEx;
use super::set::SetValue;
use crate::kind::SingleValue;
use crate::protocol::read;
use crate::schema::{Key, Keyspace};

/// Operations of single values: `Json<T>`, `Text`, `Bytes`, integers, `bool`.
impl<S: Keyspace, V: SingleValue> Key<S, V> {
    /// Returns the value; `None` if the key does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(PageKeys::title(7).get().await?, None);
    /// PageKeys::title(7).set("A page").await?;
    /// assert_eq!(PageKeys::title(7).get().await?.as_deref(), Some("A page"));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if the stored value is not of this kind; otherwise
    /// those of any command, see [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn get(&self) -> Command<Option<V::Owned>> {
        Command::on_key(self, "GET", |_| Ok(()), read::value::<V>).repeatable().reading().on_replica()
    }

    /// Stores a value with the TTL of the template.
    ///
    /// The returned builder has the options: [`ttl`](SetValue::ttl),
    /// [`keep_ttl`](SetValue::keep_ttl), [`only_if_absent`](SetValue::only_if_absent), ..
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "1h")]
    /// # struct UserKeys { name: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// UserKeys::name(7).set("Ada").await?;
    /// let stored = UserKeys::name(7).set("Bob").ttl(Duration::from_secs(60)).only_if_absent().await?;
    /// assert!(!stored);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Encode`](crate::ErrorKind::Encode) if the value can't be encoded, and
    /// [`TooLarge`](crate::ErrorKind::TooLarge) if it is longer than the handle permits; otherwise
    /// those of any command, see [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn set(&self, value: &V::Borrowed) -> SetValue<S, V, ()> {
        SetValue::new(self, value)
    }

    /// Stores a value like [`set`](Self::set). Returns the previous value; `None` if the key did
    /// not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(PageKeys::title(7).get_set("A page").await?, None);
    /// let previous = PageKeys::title(7).get_set("Another").await?;
    /// assert_eq!(previous.as_deref(), Some("A page"));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set); and [`Decode`](crate::ErrorKind::Decode) if the previous value is
    /// not of this kind, although the new one is stored.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn get_set(&self, value: &V::Borrowed) -> SetValue<S, V, Option<V::Owned>> {
        SetValue::new(self, value).returning_old()
    }

    /// Reads the value and deletes the key. Returns `None` if the key does not exist.
    ///
    /// Not retried after a lost connection: the first attempt may have deleted the value.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").await?;
    /// assert_eq!(PageKeys::title(7).get_del().await?.as_deref(), Some("A page"));
    /// assert!(!PageKeys::title(7).exists().await?);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if the stored value is not of this kind, although the
    /// key is deleted; otherwise those of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    #[doc(alias = "take")]
    pub fn get_del(&self) -> Command<Option<V::Owned>> {
        Command::on_key(self, "GETDEL", |_| Ok(()), read::value::<V>).ending_fills()
    }

    /// Reads the value and renews its TTL, for example for sessions that expire when they are not
    /// used. Returns `None` if the key does not exist.
    ///
    /// The returned builder has the options: [`ttl`](GetEx::ttl), [`expire_at`](GetEx::expire_at),
    /// [`persist`](GetEx::persist), ..
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # use std::time::Duration;
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").ttl(Duration::from_secs(60)).await?;
    /// assert_eq!(PageKeys::title(7).get_ex().await?.as_deref(), Some("A page"));
    /// assert!(PageKeys::title(7).ttl().await?.remaining() > Some(Duration::from_secs(60)));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if the stored value is not of this kind; otherwise
    /// those of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn get_ex(&self) -> GetEx<S, V> {
        GetEx::new(self)
    }

    /// Returns the length of the stored value in bytes; 0 if the key does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").await?;
    /// assert_eq!(PageKeys::title(7).strlen().await?, 6);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn strlen(&self) -> Command<u64> {
        Command::on_key(self, "STRLEN", |_| Ok(()), read::count).repeatable().on_replica()
    }
}
