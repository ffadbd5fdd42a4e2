//! Raw access to the driver.

use super::redis::Redis;
use crate::connect::RawConnection;
use crate::error::{Error, Result};

impl Redis {
    /// Lends a connection of the `redis` crate, for anything that this crate does not cover. It bypasses the promises of this
    /// crate: keys are plain strings, and the application namespace is not added.
    ///
    /// The connection uses the database of this handle ([`for_keyspace`](Self::for_keyspace) returns one with that of a
    /// keyspace). No other caller uses it while the closure runs. The configured timeout limits the wait for a connection;
    /// the closure itself has no limit, so that blocking commands work.
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
    /// If no connection is free in time, and any error of the closure. Its source is the driver's error, unless that shows
    /// arguments or replies. In error replies, `***` replaces the arguments of the commands, also for the closure.
    ///
    /// # Cancellation
    ///
    /// A connection with a command in flight is closed, not reused.
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
