//! An in-process server for quick starts and tests, re-exported from `redis_keyspace_embedded`.
//! Feature `embedded`. The page of
//! [`redis_keyspace_embedded`](https://docs.rs/redis-keyspace-embedded/latest/redis_keyspace_embedded/#differences-from-a-real-server)
//! lists the differences from a real server.
//!
//! [`Redis::embedded`] creates a new server and a handle for it. [`Redis::with_embedded_server`]
//! uses an existing server, so a test can inject faults or inspect its data.
//!
//! ```
//! use redis_keyspace::embedded::Server;
//! use redis_keyspace::{Keyspace, Redis, Text};
//!
//! #[derive(Keyspace)]
//! #[keyspace(prefix = "motd", ttl = "1h")]
//! struct Motd {
//!     today: Text,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
//! let server = Server::new();
//! let redis = Redis::with_embedded_server(server.clone());
//! Motd::today().on(&redis).set("hello").await?;
//! assert_eq!(server.get(0, b"motd:today").as_deref(), Some(&b"hello"[..]));
//! # Ok(()) }
//! ```

mod absent;
mod clock;
mod fills;
mod fixed_windows;
mod groups;
mod guarded;
mod kept;
mod leaderboards;
mod locks;
mod lua;
mod rate_limits;
mod records;
mod streams;
mod transactions;
mod updates;
mod workers;

pub use redis_keyspace_embedded::*;

use crate::client::Redis;
use crate::config::{EmbeddedServer, Endpoint, RedisBuilder};

/// Registers native versions of this crate's scripts. The server cannot run Lua.
fn register_scripts(server: &Server) {
    absent::register(server);
    fills::register(server);
    fixed_windows::register(server);
    groups::register(server);
    guarded::register(server);
    kept::register(server);
    leaderboards::register(server);
    locks::register(server);
    rate_limits::register(server);
    records::register(server);
    streams::register(server);
    transactions::register(server);
    updates::register(server);
    workers::register(server);
}

impl RedisBuilder {
    /// Uses this in-process server. Feature `embedded`.
    pub fn embedded(self, server: Server) -> Self {
        register_scripts(&server);
        self.with_endpoint(Endpoint::Embedded(EmbeddedServer::new(server)))
    }
}

impl Redis {
    /// Creates a handle for a new, empty in-process server, for quick starts and tests. Feature
    /// `embedded`.
    ///
    /// Each call creates a separate server. The server lives as long as a handle for it exists, and
    /// persists nothing.
    ///
    /// ```
    /// use redis_keyspace::{Keyspace, Redis, Text};
    ///
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "motd", ttl = "1h")]
    /// struct Motd {
    ///     today: Text,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), redis_keyspace::Error> {
    /// let redis = Redis::embedded();
    /// Motd::today().on(&redis).set("hello").await?;
    /// assert_eq!(Motd::today().on(&redis).get().await?.as_deref(), Some("hello"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn embedded() -> Self {
        Self::with_embedded_server(Server::new())
    }

    /// Creates a handle for an existing in-process server. Feature `embedded`.
    #[must_use]
    pub fn with_embedded_server(server: Server) -> Self {
        Self::from_builder(Self::builder().embedded(server))
    }
}
