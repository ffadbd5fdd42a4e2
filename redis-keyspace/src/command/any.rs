//! The operations of every key.

use std::time::{Duration, SystemTime};

use super::base::Command;
use super::ttl::Ttl;
use crate::client::same_server;
use crate::error::{Error, Result};
use crate::kind::{Kind, Readable};
use crate::protocol::{Args, Decode, Keys, Packet, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};
use crate::time::{millis, unix_millis};

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

    /// Sets the TTL, counted from now. Returns whether the key exists.
    ///
    /// Zero deletes the key. Fractions of a millisecond are rounded up. Loads of the key that are
    /// in flight do not store their values, and its stale copy is deleted.
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
    /// assert!(PageKeys::title(7).expire(Duration::from_secs(60)).await?);
    /// assert!(!PageKeys::title(8).expire(Duration::from_secs(60)).await?);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the TTL is longer than Redis supports;
    /// otherwise those of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn expire(&self, lifetime: Duration) -> Command<bool> {
        let () = V::STORED;
        let fill = |args: &mut Args| {
            args.push_int(millis(lifetime)?);
            Ok(())
        };
        let command = Command::on_key(self, "PEXPIRE", fill, read::boolean).ending_fills();
        // Zero deletes the key, so a second run would report that the key does not exist.
        if lifetime.is_zero() { command } else { command.repeatable() }
    }

    /// Sets the time at which the key expires. Returns whether the key exists. A time in the past
    /// deletes the key.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # use std::time::{Duration, SystemTime};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").await?;
    /// let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    /// assert!(PageKeys::title(7).expire_at(in_an_hour).await?);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the time is before 1970 or later than
    /// Redis supports; otherwise those of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn expire_at(&self, time: SystemTime) -> Command<bool> {
        let () = V::STORED;
        let fill = |args: &mut Args| {
            args.push_int(unix_millis(time)?);
            Ok(())
        };
        // Not repeatable: after that time, a second run would report that the key does not exist.
        Command::on_key(self, "PEXPIREAT", fill, read::boolean).ending_fills()
    }

    /// Removes the TTL, so that the key never expires. Returns whether the key had a TTL.
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
        Command::on_key(self, "PERSIST", |_| Ok(()), read::boolean)
    }
}

/// Renaming of keys that hold values. A lock, a rate limit or the result of a [`Once`](crate::Once)
/// can't be renamed: it protects the name that callers use, so under another name it would let a
/// second caller in.
impl<S: Keyspace, V: Readable> Key<S, V> {
    /// Renames the key to another key of the same template. Returns whether this key existed.
    ///
    /// The value keeps its remaining TTL and replaces the value at `to`.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").await?;
    /// assert!(PageKeys::title(7).rename(&PageKeys::title(8)).await?);
    /// assert_eq!(PageKeys::title(8).get().await?.as_deref(), Some("A page"));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if `to` belongs to another template, which
    /// may declare another TTL, or, on a cluster, is in another [slot](Self::slot); otherwise those
    /// of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn rename(&self, to: &Self) -> Command<bool> {
        let () = V::STORED;
        self.rename_by("RENAME", to, renamed).ending_fills()
    }

    /// Renames the key like [`rename`](Self::rename), but only if `to` does not exist. Returns
    /// whether the key was renamed.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").await?;
    /// PageKeys::title(8).set("Another").await?;
    /// assert!(!PageKeys::title(7).rename_if_absent(&PageKeys::title(8)).await?);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`rename`](Self::rename).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn rename_if_absent(&self, to: &Self) -> Command<bool> {
        let () = V::STORED;
        self.rename_by("RENAMENX", to, renamed).ending_fills_if_it_writes()
    }

    fn rename_by(&self, command: &'static str, to: &Self, decode: Decode<bool>) -> Command<bool> {
        let request = if std::ptr::eq(self.template(), to.template()) {
            Ok(Request::One(Packet::new(command, Keys::Many(vec![self.text(), to.text()]))))
        } else {
            Err(Error::invalid_input(format!(
                "{:?} belongs to the template `{}` and {:?} to `{}`; a key can only be renamed to a key \
                 of the same template",
                self.as_str(),
                self.template().template(),
                to.as_str(),
                to.template().template(),
            )))
        };
        let server = same_server([self.redis(), to.redis().or_else(|| self.redis())]);
        let (request, redis) = match server {
            Ok(redis) => (request, redis),
            Err(error) => (Err(error), None),
        };
        Command::new::<S>(command, Some(self.template()), request, decode).on_target(redis.into())
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

/// Decodes the reply to `RENAME`. Redis reports a missing key as an error; here it is `false`.
fn renamed(_: &Request, replies: Replies) -> Result<bool> {
    match read::one(replies) {
        Ok(Reply::Ok) => Ok(true),
        Ok(reply) => read::to_bool(reply),
        Err(error) if error.code() == Some("ERR") && error.to_string().contains("no such key") => Ok(false),
        Err(error) => Err(error),
    }
}
