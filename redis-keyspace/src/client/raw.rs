//! Raw access to the driver.

use super::redis::Redis;
use crate::connect::RawConnection;
use crate::error::{Error, Result};

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
        let connection = binding.pool().exclusive().await?;
        binding.still_open()?;
        work(connection).await.map_err(Error::driver)
    }
}
