//! Measures the round trip to the server.

use std::time::Duration;

use tokio::time::Instant;

use super::base::Command;
use crate::client::{Redis, Subject};
use crate::error::Result;
use crate::protocol::{Keys, Packet, Request, read};

impl Redis {
    /// Sends a `PING`. Returns how long the reply took, including the wait for a connection.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// let redis = Redis::embedded();
    /// println!("{:?}", redis.ping().await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command, at the latest after the configured timeout; see
    /// [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub async fn ping(&self) -> Result<Duration> {
        let started = Instant::now();
        let request = Ok(Request::One(Packet::new("PING", Keys::None)));
        let ping = Command::with_subject(Subject::new(None, None, "PING"), request, read::pong).repeatable();
        ping.on(self).await?;
        Ok(started.elapsed())
    }
}
