//! What tests can inspect: the data of a server and the commands that clients sent.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::handle::Server;
use crate::log::LoggedCommand;
use crate::value::Value;

impl Server {
    /// Returns the number of commands that clients have sent, including those that failed.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// assert_eq!(Server::new().commands(), 0);
    /// ```
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.shared.state().commands_processed
    }

    /// Returns how many times the server received commands. Commands of a pipeline that arrive
    /// together count once.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = Server::new();
    /// let mut connection = server.connect()?;
    /// connection.write_all(b"PING\r\nPING\r\nPING\r\n").await?;
    /// connection.read_exact(&mut [0; 21]).await?;
    /// assert_eq!((server.commands(), server.round_trips()), (3, 1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Ordering::Relaxed)
    }

    /// Returns the last commands that clients sent, oldest first.
    ///
    /// The log is empty unless it was enabled with
    /// [`log_commands`](crate::ServerBuilder::log_commands).
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// let server = Server::builder().log_commands(100).build();
    /// assert!(server.command_log().is_empty());
    /// ```
    #[must_use]
    pub fn command_log(&self) -> Vec<LoggedCommand> {
        self.shared.log.commands()
    }

    /// Returns the SHA-1 digests of the [registered](Self::register_script) scripts, sorted.
    /// EVALSHA expects such a digest.
    ///
    /// ```
    /// # use redis_keyspace_embedded::{Reply, Server};
    /// let server = Server::new();
    /// server.register_script("return 1", |_, _, _| Reply::Integer(1));
    /// assert_eq!(server.registered_scripts(), ["e0e1f9fabfc9d4800c877a703b823ac0578ff8db"]);
    /// ```
    #[must_use]
    pub fn registered_scripts(&self) -> Vec<String> {
        let mut digests: Vec<_> = self.shared.state().scripts.registered().cloned().collect();
        digests.sort();
        digests
    }

    /// Returns the string at a key, or `None` if the key does not exist or does not hold a string.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// assert_eq!(Server::new().get(0, b"absent"), None);
    /// ```
    #[must_use]
    pub fn get(&self, db: usize, key: &[u8]) -> Option<Bytes> {
        let now = self.shared.clock.now_ms();
        match &self.shared.state().dbs.get(db)?.entry_at(key, now)?.value {
            Value::String(data) => Some(data.clone()),
            _ => None,
        }
    }

    /// Returns all keys of a database, sorted.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// assert!(Server::new().keys(0).is_empty());
    /// ```
    #[must_use]
    pub fn keys(&self, db: usize) -> Vec<Bytes> {
        let now = self.shared.clock.now_ms();
        let state = self.shared.state();
        let Some(db) = state.dbs.get(db) else { return Vec::new() };
        let keys = db.iter().map(|(key, _)| key).filter(|key| db.entry_at(key, now).is_some());
        let mut keys: Vec<Bytes> = keys.cloned().collect();
        keys.sort();
        keys
    }

    /// Returns the remaining time to live of a key, or `None` if the key does not exist or has no
    /// expiry.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// assert_eq!(Server::new().ttl(0, b"absent"), None);
    /// ```
    #[must_use]
    pub fn ttl(&self, db: usize, key: &[u8]) -> Option<Duration> {
        let now = self.shared.clock.now_ms();
        let left = self.shared.state().dbs.get(db)?.entry_at(key, now)?.expires?.saturating_sub(now);
        Some(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }
}
