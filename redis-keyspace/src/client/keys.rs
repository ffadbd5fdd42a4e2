//! Keys on a handle.

use super::checks::WriteChecks;
use super::redis::Redis;
use crate::error::Result;
use crate::schema::{Key, Keyspace};

impl Redis {
    /// Returns a key as this handle stores it in Redis, with the application namespace and the
    /// tenant. Use it for commands on [`raw`](Self::raw) and for tools. Does no I/O.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text, redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "motd", ttl = "1h")]
    /// # struct Motd { today: Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let server = redis_keyspace::embedded::Server::new();
    /// let redis = Redis::builder().namespace("staging")?.embedded(server).build()?;
    /// Motd::today().set("hello").on(&redis).await?;
    ///
    /// let key = redis.wire_key(&Motd::today())?;
    /// assert_eq!(key, "staging:motd:today");
    /// let length: u64 = redis
    ///     .raw(|mut connection| async move {
    ///         redis::cmd("APPEND").arg(key).arg(" world").query_async(&mut connection).await
    ///     })
    ///     .await?;
    /// assert_eq!(length, 11);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the keyspace declares `tenant` and
    /// this handle has no tenant.
    pub fn wire_key<S: Keyspace, V>(&self, key: &Key<S, V>) -> Result<String> {
        let namespace = self.namespace_of(Some(S::META))?;
        Ok(format!("{namespace}{key}"))
    }
}

impl<S: Keyspace, V> Key<S, V> {
    /// Returns the key as it is stored in Redis by the handle that its commands use. This is the
    /// one set by [`on`](Self::on), else the one of the innermost scope, else the installed one, by
    /// name if the keyspace declares `server = "name"`. See [`Redis::wire_key`]. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`ServerNotConfigured`](crate::ErrorKind::ServerNotConfigured) if no such handle exists;
    /// otherwise as for [`Redis::wire_key`].
    pub fn wire_key(&self) -> Result<String> {
        match self.redis() {
            Some(redis) => redis.wire_key(self),
            None => Redis::current_for::<S>()?.wire_key(self),
        }
    }
}

impl<S, V> Key<S, V> {
    /// Sets the handle on which commands of this key run, overriding the installed or scoped one.
    /// The handle is not part of the key's identity: it does not affect equality, order or hash.
    pub fn on(self, redis: &Redis) -> Self {
        self.pin(redis.as_pinned())
    }

    /// Returns the checks of a value for a command on this key.
    ///
    /// The value is encoded before the handle is known, because a later `.on(..)` may choose
    /// another one. So the limit is the one of the handle of the key or, if the key has none, the
    /// greatest of all handles. The value is verified if any handle verifies writes; the command
    /// later decides whether the result matters.
    pub(crate) fn checks(&self) -> WriteChecks
    where
        S: Keyspace,
    {
        let loosest = WriteChecks::loosest();
        self.redis().map_or(loosest, |redis| {
            let checks = redis.checks(S::META);
            WriteChecks { verifies: checks.verifies || loosest.verifies, ..checks }
        })
    }

    /// Returns the handle that was set by `on`.
    pub(crate) fn redis(&self) -> Option<Redis> {
        self.pinned().and_then(Redis::from_pinned)
    }
}
