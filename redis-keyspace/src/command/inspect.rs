//! What a server stores about a key, besides its value.

use std::time::{Duration, SystemTime};

use super::base::Command;
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::protocol::{Args, Decode, Keys, Packet, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};

/// What the server knows about every key.
impl<S: Keyspace, V: Kind> Key<S, V> {
    /// Returns the time at which the key expires; `None` if it never expires or does not exist.
    ///
    /// Needs Redis 7.0. [`ttl`](Self::ttl) works on every version.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # use std::time::SystemTime;
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").await?;
    /// assert!(PageKeys::title(7).expire_time().await? > Some(SystemTime::now()));
    /// assert_eq!(PageKeys::title(8).expire_time().await?, None);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. The command only reads.
    ///
    /// # Round trips
    ///
    /// One.
    #[doc(alias = "PEXPIRETIME")]
    #[doc(alias = "EXPIRETIME")]
    pub fn expire_time(&self) -> Command<Option<SystemTime>> {
        let () = V::STORED;
        Command::on_key(self, "PEXPIRETIME", |_| Ok(()), expire_time).repeatable().on_replica_if_data()
    }

    /// Returns how the server stores the value, such as `listpack` or `skiplist`; `None` if the key
    /// does not exist. The names differ between versions of servers.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// RoomKeys::online(1).sadd(&7).await?;
    /// assert_eq!(RoomKeys::online(1).object_encoding().await?.as_deref(), Some("intset"));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. The command only reads.
    ///
    /// # Round trips
    ///
    /// One.
    #[doc(alias = "OBJECT ENCODING")]
    pub fn object_encoding(&self) -> Command<Option<String>> {
        let () = V::STORED;
        self.about("OBJECT", "ENCODING", |_, replies| match read::to_bytes(read::one(replies)?)? {
            Some(name) => Ok(Some(String::from_utf8_lossy(&name).into_owned())),
            None => Ok(None),
        })
    }

    /// Returns for how long no command has used the key, in whole seconds; `None` if the key does
    /// not exist. Not available if the server evicts the least frequently used keys
    /// (`maxmemory-policy`).
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # use std::time::Duration;
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").await?;
    /// assert!(PageKeys::title(7).idle_time().await? < Some(Duration::from_secs(60)));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. The command only reads.
    ///
    /// # Round trips
    ///
    /// One.
    #[doc(alias = "OBJECT IDLETIME")]
    pub fn idle_time(&self) -> Command<Option<Duration>> {
        let () = V::STORED;
        self.about("OBJECT", "IDLETIME", |request, replies| {
            Ok(optional_count(request, replies)?.map(Duration::from_secs))
        })
    }

    /// Returns how many bytes of memory the key and its value take; `None` if the key does not
    /// exist. For a large collection, it is an estimate.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").await?;
    /// assert!(PageKeys::title(7).memory_usage().await? > Some(10));
    /// assert_eq!(PageKeys::title(8).memory_usage().await?, None);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. The command only reads.
    ///
    /// # Round trips
    ///
    /// One.
    #[doc(alias = "MEMORY USAGE")]
    pub fn memory_usage(&self) -> Command<Option<u64>> {
        let () = V::STORED;
        self.about("MEMORY", "USAGE", optional_count)
    }

    /// Counts as a use of the key, so that the server evicts it later. Returns whether the key
    /// exists. The TTL stays the same.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").await?;
    /// assert!(PageKeys::title(7).touch().await?);
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
    #[doc(alias = "TOUCH")]
    pub fn touch(&self) -> Command<bool> {
        let () = V::STORED;
        Command::on_key(self, "TOUCH", |_| Ok(()), read::boolean).repeatable()
    }

    /// Creates a command that consists of two words before the key.
    fn about<T>(&self, command: &'static str, word: &'static str, decode: Decode<T>) -> Command<T> {
        let mut head = Args::default();
        head.push(word.as_bytes());
        let packet = Packet::new(command, Keys::One(self.text())).with_head(head);
        Command::new::<S>(command, Some(self.template()), Ok(Request::One(packet)), decode)
            .repeatable()
            .on_target(self.redis().into())
    }
}

/// Decodes the reply to `PEXPIRETIME`: -2 if the key does not exist, -1 if it never expires.
fn expire_time(_: &Request, replies: Replies) -> Result<Option<SystemTime>> {
    match read::to_int(read::one(replies)?)? {
        -2 | -1 => Ok(None),
        millis => u64::try_from(millis)
            .ok()
            .and_then(|millis| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis)))
            .map(Some)
            .ok_or_else(|| Error::protocol("the server returned an expiry time that can't be represented")),
    }
}

fn optional_count(_: &Request, replies: Replies) -> Result<Option<u64>> {
    match read::one(replies) {
        Ok(Reply::Nil) => Ok(None),
        // Some servers report a missing key as an error.
        Err(error) if error.code() == Some("ERR") && error.to_string().contains("no such key") => Ok(None),
        reply => read::to_count(reply?).map(Some),
    }
}
