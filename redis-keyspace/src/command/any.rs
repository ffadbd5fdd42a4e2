//! The operations of every key.

use std::time::Duration;

use super::base::Command;
use super::ttl::Ttl;
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::protocol::{Replies, Request, read};
use crate::schema::{Key, Keyspace};

/// Operations of every key.
impl<S: Keyspace, V: Kind> Key<S, V> {
    /// Deletes the key. Returns whether it existed.
    ///
    /// Sends `UNLINK`, so the server frees large values in the background. A load of the key that
    /// is in flight does not store its value.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").await?;
    /// assert!(PageKeys::title(7).del().await?);
    /// assert!(!PageKeys::title(7).del().await?);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind). Not retried after a lost
    /// connection: a second attempt could not tell whether the key existed.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn del(&self) -> Command<bool> {
        let () = V::STORED;
        Command::on_key(self, "UNLINK", |_| Ok(()), read::boolean).ending_fills()
    }

    /// Returns whether the key exists.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(!PageKeys::title(7).exists().await?);
    /// PageKeys::title(7).set("A page").await?;
    /// assert!(PageKeys::title(7).exists().await?);
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
    pub fn exists(&self) -> Command<bool> {
        let () = V::STORED;
        Command::on_key(self, "EXISTS", |_| Ok(()), read::boolean).repeatable().on_replica_if_data()
    }

    /// Returns the remaining TTL, with a resolution of milliseconds.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text, command::Ttl};
    /// # use std::time::Duration;
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(PageKeys::title(7).ttl().await?, Ttl::NoKey);
    /// PageKeys::title(7).set("A page").await?;
    /// assert!(PageKeys::title(7).ttl().await?.remaining() <= Some(Duration::from_secs(86_400)));
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
    pub fn ttl(&self) -> Command<Ttl> {
        let () = V::STORED;
        Command::on_key(self, "PTTL", |_| Ok(()), remaining).repeatable().on_replica_if_data()
    }

    /// Removes the TTL, so that the key never expires. Returns whether the key had a TTL.
    ///
    /// Loads of the key that are in flight do not store their values, and its stale copy is
    /// deleted, as for [`expire`](Self::expire).
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text, command::Ttl};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").await?;
    /// assert!(PageKeys::title(7).persist().await?);
    /// assert_eq!(PageKeys::title(7).ttl().await?, Ttl::NoExpiry);
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
    pub fn persist(&self) -> Command<bool> {
        let () = V::STORED;
        Command::on_key(self, "PERSIST", |_| Ok(()), read::boolean).ending_loads()
    }
}

/// Decodes the reply to `PTTL`: -2 if the key does not exist, -1 if it has no TTL.
fn remaining(_: &Request, replies: Replies) -> Result<Ttl> {
    match read::to_int(read::one(replies)?)? {
        -2 => Ok(Ttl::NoKey),
        -1 => Ok(Ttl::NoExpiry),
        left => u64::try_from(left)
            .map(|left| Ttl::Remaining(Duration::from_millis(left)))
            .map_err(|_| Error::protocol("the server returned a negative TTL")),
    }
}
