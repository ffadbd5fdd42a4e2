//! `DUMP` and `RESTORE`.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::base::Command;
use super::builder::{Deferred, command_builder};
use super::key_options::{BuildOptions, KeyOptions};
use crate::error::Result;
use crate::kind::Stored;
use crate::protocol::{Args, PacketLifetime, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};
use crate::time::Expiry;

/// The value of a key in the format of the server, created by [`Key::dump`].
///
/// `V` is the kind of the key, so a dump can only be restored to a key of the same kind. The format
/// depends on the version of the server: an older server may reject the dump of a newer one.
pub struct Dump<V> {
    bytes: Bytes,
    kind: PhantomData<fn() -> V>,
}

impl<V: Stored> Dump<V> {
    /// Creates a dump from bytes that were stored elsewhere. The server checks them when they are
    /// restored; that they are of the kind `V` is up to the caller.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), kind: PhantomData }
    }

    /// Returns the bytes, to store them elsewhere.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<V> Clone for Dump<V> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), kind: PhantomData }
    }
}

impl<V> PartialEq for Dump<V> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<V> Eq for Dump<V> {}

impl<V> fmt::Debug for Dump<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The output omits the bytes, because they contain the value.
        f.debug_struct("Dump").field("length", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// Dumps of keys that store data.
impl<S: Keyspace, V: Stored> Key<S, V> {
    /// Returns the value in the format of the server; `None` if the key does not exist. It does not
    /// contain the TTL.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([1, 2]).await?;
    /// let dump = FeedKeys::user(7).dump().await?.expect("it exists");
    /// assert!(FeedKeys::user(8).restore(&dump).await?);
    /// assert_eq!(FeedKeys::user(8).lrange(..).await?, [1, 2]);
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
    #[doc(alias = "DUMP")]
    pub fn dump(&self) -> Command<Option<Dump<V>>> {
        let decode = |_: &Request, replies: Replies| {
            Ok(read::to_bytes(read::one(replies)?)?.map(|bytes| Dump { bytes, kind: PhantomData }))
        };
        Command::on_key(self, "DUMP", |_| Ok(()), decode).repeatable()
    }

    /// Creates the key from a dump, with the TTL of the template. Returns `false` if the key
    /// exists; it is unchanged then.
    ///
    /// [`replace`](Restore::replace) overwrites an existing key; [`ttl`](Restore::ttl) and
    /// [`expire_at`](Restore::expire_at) set another TTL.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").await?;
    /// let dump = PageKeys::title(7).dump().await?.expect("it exists");
    /// PageKeys::title(7).set("Changed").await?;
    /// assert!(!PageKeys::title(7).restore(&dump).await?);
    /// assert!(PageKeys::title(7).restore(&dump).replace().await?);
    /// assert_eq!(PageKeys::title(7).get().await?.as_deref(), Some("A page"));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Server`](crate::ErrorKind::Server) if the server can't read the dump, for example because it
    /// is older than the server that created it; otherwise those of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    #[doc(alias = "RESTORE")]
    pub fn restore(&self, dump: &Dump<V>) -> Restore<S, V> {
        let options = RestoreOptions { bytes: dump.bytes.clone(), end: None, replaces: false };
        Restore(Deferred::Building(KeyOptions::new(self, options)))
    }
}

/// `RESTORE` with its options, created by [`Key::restore`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct Restore<S: Keyspace, V: Stored>(Deferred<KeyOptions<S, V, RestoreOptions>, bool>);

struct RestoreOptions {
    bytes: Bytes,
    /// The end of the TTL, unless the declared one applies.
    end: Option<Expiry>,
    replaces: bool,
}

impl<S: Keyspace, V: Stored> Restore<S, V> {
    fn ending(self, end: Expiry) -> Self {
        let end = Some(end);
        Self(self.0.map(|options| options.with(|options| RestoreOptions { end, ..options })))
    }

    /// Overwrites the key if it exists.
    pub fn replace(self) -> Self {
        Self(self.0.map(|options| options.with(|options| RestoreOptions { replaces: true, ..options })))
    }

    /// Overrides the TTL of the template. Zero is an error.
    pub fn ttl(self, ttl: Duration) -> Self {
        self.ending(Expiry::After(ttl))
    }

    /// Sets the time at which the key expires, instead of the TTL of the template. If it is past,
    /// the key is not created.
    pub fn expire_at(self, time: SystemTime) -> Self {
        self.ending(Expiry::At(time))
    }
}

impl<S: Keyspace, V: Stored> BuildOptions<S, V> for RestoreOptions {
    type Output = bool;

    fn build(self, key: &Key<S, V>) -> Command<bool> {
        let Self { bytes, end, replaces } = self;
        let is_declared = end.is_none();
        let end = end.unwrap_or_else(|| key.template().lifetime().into());
        let fill = |args: &mut Args| {
            args.push_int(end.in_millis()?);
            args.push_with(|out| {
                out.extend_from_slice(&bytes);
                Ok::<_, crate::Error>(())
            })?;
            if replaces {
                args.push(b"REPLACE");
            }
            if matches!(end, Expiry::At(_)) {
                args.push(b"ABSTTL");
            }
            Ok(())
        };
        let place = is_declared.then_some(PacketLifetime::Millis);
        Command::on_key(key, "RESTORE", fill, restored).with_declared_lifetime(place).ending_fills()
    }
}

command_builder!(Restore<S, V> => bool, where S: Keyspace, V: Stored);

/// Decodes the reply to `RESTORE`. Redis reports a key that exists as an error; here it is `false`.
fn restored(_: &Request, replies: Replies) -> Result<bool> {
    match read::one(replies) {
        Ok(Reply::Ok) => Ok(true),
        Ok(reply) => read::to_unit(reply).map(|()| true),
        Err(error) if error.code() == Some("BUSYKEY") => Ok(false),
        Err(error) => Err(error),
    }
}
