//! The options of one keyspace.

use std::time::Duration;

/// The options of one keyspace; see [`RedisBuilder::keyspace`](crate::RedisBuilder::keyspace).
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct KeyspaceOptions {
    pub(super) db: Option<u16>,
    pub(super) shared_connections: Option<u16>,
    pub(super) exclusive_connections: Option<u16>,
    pub(super) timeout: Option<Duration>,
    pub(super) retries: Option<u32>,
    pub(super) retry_delay: Option<Duration>,
    pub(super) max_key_bytes: Option<usize>,
    pub(super) max_value_bytes: Option<usize>,
    pub(super) verify_writes: Option<bool>,
}

impl KeyspaceOptions {
    /// Sets the logical database.
    pub fn db(mut self, db: u16) -> Self {
        self.db = Some(db);
        self
    }

    /// Sets how many connections its stateless commands share.
    pub fn shared_connections(mut self, connections: u16) -> Self {
        self.shared_connections = Some(connections);
        self
    }

    /// Sets how many connections can be checked out exclusively at once.
    pub fn exclusive_connections(mut self, connections: u16) -> Self {
        self.exclusive_connections = Some(connections);
        self
    }

    /// Sets the deadline of each command.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets how often a command is retried that is safe to repeat.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Sets the pause before the first retry.
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.retry_delay = Some(delay);
        self
    }

    /// Sets the longest key, in bytes.
    pub fn max_key_bytes(mut self, bytes: usize) -> Self {
        self.max_key_bytes = Some(bytes);
        self
    }

    /// Sets the largest value, in bytes.
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.max_value_bytes = Some(bytes);
        self
    }

    /// Sets whether each value is decoded again before it is sent; see
    /// [`RedisBuilder::verify_writes`](crate::RedisBuilder::verify_writes).
    pub fn verify_writes(mut self, verifies: bool) -> Self {
        self.verify_writes = Some(verifies);
        self
    }
}
