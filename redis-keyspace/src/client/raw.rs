//! Raw access to the driver.

use std::sync::Arc;

use futures_util::future::join_all;

use super::redis::Redis;
use crate::connect::{Cluster, Node, Pool, RawConnection, Route};
use crate::error::{Error, Result};
use crate::key::slot;
use crate::schema::{Key, Keyspace};
use crate::time::Deadline;

impl Redis {
    /// Lends a connection of the `redis` crate, for anything that this crate does not cover. It
    /// bypasses the promises of this crate: keys are plain strings, and the application namespace
    /// is not added.
    ///
    /// The connection uses the database of this handle; [`for_keyspace`](Self::for_keyspace)
    /// returns a handle on the database of a keyspace. No other caller uses the connection while
    /// the closure runs. The configured timeout limits the wait for a connection. The closure
    /// itself has no limit, so blocking commands work.
    ///
    /// On a cluster, use [`raw_for`](Self::raw_for) or [`raw_each`](Self::raw_each), which choose
    /// the node.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// use redis_keyspace::redis;
    ///
    /// let length: u64 = redis
    ///     .raw(|mut connection| async move {
    ///         redis::cmd("RPUSH").arg("queue").arg("job").query_async(&mut connection).await
    ///     })
    ///     .await?;
    /// assert_eq!(length, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) on a cluster.
    /// [`PoolBusy`](crate::ErrorKind::PoolBusy) if no connection is free in time; the reason why no
    /// connection can be made; and any error of the closure. The source of that error is the
    /// driver's error, unless it contains arguments or replies. In error replies, `***` replaces
    /// the arguments of the commands, for the closure too.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the closure's future. A connection with a command in flight is
    /// closed, not reused, and the server may still run that command.
    ///
    /// # Round trips
    ///
    /// Those of the closure. A connection that was idle for longer than the
    /// [ping interval](crate::RedisBuilder::ping_interval) is probed first, and a new connection
    /// logs in.
    pub async fn raw<T, F, Fut>(&self, work: F) -> Result<T>
    where
        F: FnOnce(RawConnection) -> Fut,
        Fut: Future<Output = redis::RedisResult<T>>,
    {
        let binding = self.base()?;
        binding.require_server()?;
        let deadline = binding.deadline(None);
        let RawTarget::Server(connection) = find(binding.pool(), deadline).await? else {
            return Err(Error::invalid_input(
                "the server is a cluster, so raw commands need a node: use `raw_for(&key, ..)` for the node of a key, or \
                 `raw_each(..)` for every master; nothing was sent",
            ));
        };
        binding.still_open()?;
        work(connection).await.map_err(Error::driver)
    }

    /// Like [`raw`](Self::raw), on the node of a cluster that serves a key, and on the database of
    /// its keyspace. On a single server, this is the server.
    ///
    /// The key is not added to the commands; [`wire_key`](Self::wire_key) returns its name with the
    /// namespace. If the slot of the key moves while the closure runs, the server answers with the
    /// error `MOVED` or `ASK`. The closure then fails, and a second call uses the new node.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// use redis_keyspace::redis;
    ///
    /// let title = PageKeys::title(7);
    /// title.set("A page").on(&redis).await?;
    /// let name = redis.wire_key(&title)?;
    /// let encoding: String = redis
    ///     .raw_for(&title, |mut connection| async move {
    ///         redis::cmd("OBJECT").arg("ENCODING").arg(name).query_async(&mut connection).await
    ///     })
    ///     .await?;
    /// assert_eq!(encoding, "embstr");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the options of the keyspace are
    /// invalid on this handle. [`Unavailable`](crate::ErrorKind::Unavailable) if no node serves the
    /// slot of the key, or the node can't be reached. The other errors of [`raw`](Self::raw),
    /// except that of a cluster.
    ///
    /// # Cancellation
    ///
    /// As for [`raw`](Self::raw).
    ///
    /// # Round trips
    ///
    /// As for [`raw`](Self::raw). The first operation on a cluster also asks for the slots.
    pub async fn raw_for<S, V, T, F, Fut>(&self, key: &Key<S, V>, work: F) -> Result<T>
    where
        S: Keyspace,
        F: FnOnce(RawConnection) -> Fut,
        Fut: Future<Output = redis::RedisResult<T>>,
    {
        let binding = self.with_binding(Some(S::META), Arc::clone)?;
        binding.require_server()?;
        let deadline = binding.deadline(None);
        let cluster = match find(binding.pool(), deadline).await? {
            RawTarget::Server(connection) => {
                binding.still_open()?;
                return work(connection).await.map_err(Error::driver);
            }
            RawTarget::Cluster(cluster) => cluster,
        };
        let slot = slot(&self.wire_key(key)?);
        let node = cluster.node(Some(slot), &Route::BySlot, deadline).await?;
        let connection = node.exclusive(deadline).await.map_err(|error| learned(cluster, &node, error))?;
        binding.still_open()?;
        work(connection).await.map_err(|error| learned(cluster, &node, Error::driver(error)))
    }

    /// Like [`raw`](Self::raw), on every master of a cluster at the same time. Returns the results
    /// in no particular order. On a single server, the closure runs once.
    ///
    /// The masters are those that serve slots, as they report it themselves before the closures
    /// start, and the nodes that slots are being moved to.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// use redis_keyspace::redis;
    ///
    /// let sizes: Vec<u64> = redis
    ///     .raw_each(|mut connection| async move { redis::cmd("DBSIZE").query_async(&mut connection).await })
    ///     .await?;
    /// assert_eq!(sizes.iter().sum::<u64>(), 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if a slot has no master, the nodes disagree
    /// about it, or a master does not answer; then no closure runs. The other errors of
    /// [`raw`](Self::raw), except that of a cluster. If the closure fails on several masters, the
    /// error is of one of them; the closure still completes on the others.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the futures of all closures. The rest is as for
    /// [`raw`](Self::raw).
    ///
    /// # Round trips
    ///
    /// Those of the closure on each master, at the same time. On a cluster, one more before that,
    /// to ask all masters for their slots.
    pub async fn raw_each<T, F, Fut>(&self, work: F) -> Result<Vec<T>>
    where
        F: Fn(RawConnection) -> Fut,
        Fut: Future<Output = redis::RedisResult<T>>,
    {
        let binding = self.base()?;
        binding.require_server()?;
        let deadline = binding.deadline(None);
        let cluster = match find(binding.pool(), deadline).await? {
            RawTarget::Server(connection) => {
                binding.still_open()?;
                return Ok(vec![work(connection).await.map_err(Error::driver)?]);
            }
            RawTarget::Cluster(cluster) => cluster,
        };
        // As the masters report it: the map may not contain a new one yet.
        let layout = cluster.layout(deadline).await?;
        let outcomes = join_all(layout.serving().map(async |node| {
            let connection = node.exclusive(deadline).await.map_err(|error| learned(cluster, node, error))?;
            binding.still_open()?;
            work(connection).await.map_err(|error| learned(cluster, node, Error::driver(error)))
        }));
        outcomes.await.into_iter().collect()
    }
}

/// What raw commands run on.
pub(super) enum RawTarget<'p> {
    Server(RawConnection),
    Cluster(&'p Cluster),
}

/// Returns the cluster if the server is a node of one, else a connection to the server.
pub(super) async fn find(pool: &Pool, deadline: Deadline) -> Result<RawTarget<'_>> {
    if let Some(cluster) = pool.follow_cluster() {
        return Ok(RawTarget::Cluster(cluster));
    }
    // The login of the connection finds out.
    let connection = pool.exclusive(deadline).await?;
    Ok(pool.follow_cluster().map_or(RawTarget::Server(connection), RawTarget::Cluster))
}

/// Has the cluster learn from an error: a redirection, or a node that can't be reached.
fn learned(cluster: &Cluster, node: &Arc<Node>, error: Error) -> Error {
    if error.is_not_run() || error.is_outage() {
        cluster.after(&error, Some(node));
    }
    error
}
