//! Renames and copies of keys.

use super::base::Command;
use super::builder::{Deferred, command_builder};
use super::key_options::{BuildOptions, KeyOptions};
use crate::client::same_server;
use crate::error::{Error, Result};
use crate::kind::Stored;
use crate::protocol::{Decode, Keys, Packet, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};

/// Renames and copies of keys that store data. A lock, a rate limit or the result of a
/// [`Once`](crate::Once) can't be renamed or copied: it protects the name that callers use, so
/// under another name it would let a second caller in.
impl<S: Keyspace, V: Stored> Key<S, V> {
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
        self.transfer("RENAME", to, Request::One, renamed).ending_fills()
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
        self.transfer("RENAMENX", to, Request::One, renamed).ending_fills_if_it_writes()
    }

    /// Copies the key to another key of the same template. Returns whether it was copied: `false`
    /// if this key does not exist, or if `to` exists. `to` must be another key; otherwise the
    /// command fails with [`Server`](crate::ErrorKind::Server).
    ///
    /// The copy has the remaining TTL of this key. [`replace`](CopyTo::replace) overwrites `to`.
    /// Needs Redis 6.2.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// RoomKeys::online(1).sadd(&7).await?;
    /// assert!(RoomKeys::online(1).copy(&RoomKeys::online(2)).await?);
    /// assert!(!RoomKeys::online(1).copy(&RoomKeys::online(2)).await?);
    /// assert!(RoomKeys::online(2).sismember(&7).await?);
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
    pub fn copy(&self, to: &Self) -> CopyTo<S, V> {
        CopyTo(Deferred::Building(KeyOptions::new(self, CopyOptions { to: to.clone(), replaces: false })))
    }

    /// Creates a command that writes this key to another one of its template.
    fn transfer(
        &self,
        command: &'static str,
        to: &Self,
        finish: impl FnOnce(Packet) -> Request,
        decode: Decode<bool>,
    ) -> Command<bool> {
        let same_template = || {
            if std::ptr::eq(self.template(), to.template()) {
                return Ok(());
            }
            Err(Error::invalid_input(format!(
                "{:?} belongs to the template `{}` and {:?} to `{}`; a key can only be renamed or copied to a key of the \
                 same template",
                self.as_str(),
                self.template().template(),
                to.as_str(),
                to.template().template(),
            )))
        };
        let server = same_server([self.redis(), to.redis().or_else(|| self.redis())]);
        let redis = server.as_ref().ok().cloned().flatten();
        let request = server.and_then(|_| {
            same_template()?;
            Ok(finish(Packet::new(command, Keys::Many(vec![self.text(), to.text()]))))
        });
        Command::new::<S>(command, Some(self.template()), request, decode).on_target(redis.into())
    }
}

/// A copy of a key, created by [`Key::copy`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct CopyTo<S: Keyspace, V: Stored>(Deferred<KeyOptions<S, V, CopyOptions<S, V>>, bool>);

struct CopyOptions<S, V> {
    to: Key<S, V>,
    replaces: bool,
}

impl<S: Keyspace, V: Stored> CopyTo<S, V> {
    /// Overwrites the other key if it exists.
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
    /// assert!(PageKeys::title(7).copy(&PageKeys::title(8)).replace().await?);
    /// assert_eq!(PageKeys::title(8).get().await?.as_deref(), Some("A page"));
    /// # Ok(()) }).await }
    /// ```
    pub fn replace(self) -> Self {
        Self(self.0.map(|options| options.with(|options| CopyOptions { replaces: true, ..options })))
    }
}

impl<S: Keyspace, V: Stored> BuildOptions<S, V> for CopyOptions<S, V> {
    type Output = bool;

    fn build(self, key: &Key<S, V>) -> Command<bool> {
        let Self { to, replaces } = self;
        let template = to.template();
        let finish = |mut packet: Packet| {
            if replaces {
                packet.args.push(b"REPLACE");
            }
            // Only the copy is written.
            match template.ends_fills() {
                true => Request::ending_fills(vec![packet], &[to.text()], template.keeps_copies()),
                false => Request::One(packet),
            }
        };
        key.transfer("COPY", &to, finish, read::boolean)
    }
}

command_builder!(CopyTo<S, V> => bool, where S: Keyspace, V: Stored);

/// Decodes the reply to `RENAME`. Redis reports a missing key as an error; here it is `false`.
fn renamed(_: &Request, replies: Replies) -> Result<bool> {
    match read::one_unless(replies, |said| said.starts_with("ERR no such key"))? {
        None => Ok(false),
        Some(Reply::Ok) => Ok(true),
        Some(reply) => read::to_bool(reply),
    }
}
