//! Handles without a server.

use super::redis::Redis;

impl Redis {
    /// Creates a handle without a server, for programs that can run with their caches switched off.
    /// It never connects.
    ///
    /// - Reads miss: `get` returns `None`, `exists` returns `false`, and scans find nothing.
    /// - Plain writes (`set`, `del`, `expire`, deleting by pattern, ..) are dropped. They are
    ///   counted in [`Stats::dropped_writes`](crate::stats::Stats::dropped_writes).
    /// - [`get_or_set`](crate::Key::get_or_set) runs the loader. Concurrent callers of one key
    ///   share a load, and nothing is stored.
    /// - Operations whose result must be correct fail with
    ///   [`ServerNotConfigured`](crate::ErrorKind::ServerNotConfigured): counters, conditional
    ///   writes, `update`, locks, rate limits, [`Once`](crate::Once), and [`raw`](Self::raw),
    ///   [`ping`](Self::ping) and [`connect`](Self::connect). `update` and `Once` fail before they
    ///   call the program's code.
    /// - Each command of a batch or transaction has its own outcome.
    /// - [`health`](Self::health) reports that the handle is not healthy. Skip it in the probes of
    ///   a program without Redis.
    ///
    /// To disable Redis only for keyspaces that declare `server = "name"`, install such a handle
    /// under that name with [`install_as`](Self::install_as).
    ///
    /// ```
    /// # use redis_keyspace::{Counter, ErrorKind, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1h")]
    /// # struct PageKeys { title: fn(id: u64) -> Text, views: fn(id: u64) -> Counter }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// let redis = Redis::disabled();
    /// PageKeys::title(7).set("A page").on(&redis).await?;
    /// assert_eq!(PageKeys::title(7).get().on(&redis).await?, None);
    /// assert_eq!(redis.stats().dropped_writes, 1);
    ///
    /// let title = PageKeys::title(7).get_or_set(|| async { "Loaded".to_owned() }).on(&redis).await?;
    /// assert_eq!(title, "Loaded");
    ///
    /// let error = PageKeys::views(7).incr().on(&redis).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::ServerNotConfigured);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn disabled() -> Self {
        Self::from_builder(Self::builder().disabled())
    }
}
