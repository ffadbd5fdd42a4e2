//! Handles without a server.

use super::redis::Redis;

impl Redis {
    /// Creates a handle without a server, for programs that can run with their caches switched off.
    /// It never connects.
    ///
    /// - Reads miss: `get` returns `None`, `exists` returns `false`, collections are empty, and
    ///   scans find nothing.
    /// - Plain writes (`set`, `del`, `expire`, `rename`, removals from collections, deleting by
    ///   pattern, ..) and published messages are dropped. They are counted in
    ///   [`Stats::dropped_writes`](crate::stats::Stats::dropped_writes).
    /// - [`get_or_set`](crate::Key::get_or_set) runs the loader. Concurrent callers of one key
    ///   share a load, and nothing is stored.
    /// - Each command of a batch or transaction has its own outcome.
    /// - [`health`](Self::health) reports that the handle is not healthy. Skip it in the probes of
    ///   a program without Redis.
    ///
    /// To disable Redis only for keyspaces that declare `server = "name"`, install such a handle
    /// under that name with [`install_as`](Self::install_as).
    ///
    /// # Operations that fail
    ///
    /// Operations whose result must be correct fail with
    /// [`ServerNotConfigured`](crate::ErrorKind::ServerNotConfigured), before they call any code of
    /// the program:
    ///
    /// | | operations |
    /// | --- | --- |
    /// | all commands of some kinds | [`Counter`](crate::Counter), [`Lock`](crate::Lock), [`RateLimit`](crate::RateLimit) and [`Once`](crate::Once), also their reads and `del` |
    /// | conditional writes | `only_if_absent` and `only_if_present` of [`set`](crate::Key::set), `only_if_all_absent` of [`set_many`](crate::Key::set_many), [`rename_if_absent`](crate::Key::rename_if_absent) |
    /// | atomic updates | `update`, `update_or_insert`, `update_with`, [`watch`](Self::watch) |
    /// | writes that add data to a value or a collection | [`append`](crate::Key::append), [`set_range`](crate::Key::set_range); adding elements, members, fields and entries; changing bits and numbers; combining bitmaps, merging HyperLogLogs, storing found positions |
    /// | copies | [`restore`](crate::Key::restore) |
    /// | consumer groups | reading and claiming entries, creating groups and consumers, [workers](crate::worker) |
    /// | waiting | `block`, [`tail`](crate::Key::tail), [`wait_replicas`](crate::Command::wait_replicas) |
    /// | subscriptions | [`subscribe`](crate::Key::subscribe), [`notifications`](crate::scan::Pattern::notifications) |
    /// | scripts | every [script](crate::Script) and function, also `read_only`; [`load_functions`](Self::load_functions) |
    /// | raw commands | [`Key::raw`](crate::Key::raw), [`raw`](Self::raw), [`raw_for`](Self::raw_for), [`raw_each`](Self::raw_each) |
    /// | the connection | [`ping`](Self::ping), [`connect`](Self::connect) |
    ///
    /// # Example
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
