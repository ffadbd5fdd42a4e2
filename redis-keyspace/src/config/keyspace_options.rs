//! The options of one keyspace.

use std::time::Duration;

use super::optional_text::OptionalText;
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::url::{self, UrlParts};
use crate::error::Error;

/// The server of one keyspace.
#[derive(Debug, Clone)]
pub(super) enum OptionEndpoint {
    Address {
        host: Option<String>,
        port: Option<u16>,
    },
    /// The parts of the URL, or why it is invalid.
    Url(Box<Result<UrlParts, Error>>),
}

/// The options of one keyspace; see [`RedisBuilder::keyspace`](crate::RedisBuilder::keyspace).
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct KeyspaceOptions {
    pub(super) endpoint: Option<OptionEndpoint>,
    pub(super) cluster: Option<bool>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Tls>,
    pub(super) ttl: Option<Duration>,
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
    /// Replaces the TTL that the keyspace declares with `#[keyspace(.., ttl = ..)]`. It does not
    /// change templates that declare their own TTL, or calls that set a TTL. `None` changes
    /// nothing.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "session", ttl = "1d")]
    /// struct SessionKeys {
    ///     token: fn(user: u64) -> Text,
    ///     #[key(ttl = "5m")]
    ///     challenge: fn(user: u64) -> Text,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let server = redis_keyspace::embedded::Server::new();
    /// let minute = Duration::from_secs(60); // from the configuration
    /// let redis = Redis::builder()
    ///     .embedded(server)
    ///     .keyspace::<SessionKeys>(|options| options.ttl(minute))
    ///     .build()?;
    /// SessionKeys::token(7).set("secret").on(&redis).await?;
    /// assert!(SessionKeys::token(7).ttl().on(&redis).await?.remaining() <= Some(minute));
    /// SessionKeys::challenge(7).set("secret").on(&redis).await?;
    /// assert!(SessionKeys::challenge(7).ttl().on(&redis).await?.remaining() > Some(minute));
    /// # Ok(()) }
    /// ```
    pub fn ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.ttl = ttl.into().or(self.ttl);
        self
    }

    /// Sets the host of the server for this keyspace. `None` changes nothing. The port is that of
    /// the handle unless [`port`](Self::port) sets it. User, password and all other options are
    /// unchanged; [`url`](Self::url) can set them.
    pub fn host(mut self, host: impl OptionalText) -> Self {
        let Some(host) = host.into_text() else { return self };
        let port = match self.endpoint {
            Some(OptionEndpoint::Address { port, .. }) => port,
            _ => None,
        };
        self.endpoint = Some(OptionEndpoint::Address { host: Some(host), port });
        self
    }

    /// Sets the port of the server for this keyspace. `None` changes nothing.
    pub fn port(mut self, port: impl Into<Option<u16>>) -> Self {
        let Some(port) = port.into() else { return self };
        let host = match self.endpoint {
            Some(OptionEndpoint::Address { host, .. }) => host,
            _ => None,
        };
        self.endpoint = Some(OptionEndpoint::Address { host, port: Some(port) });
        self
    }

    /// Sets the server for this keyspace from a URL. `None` changes nothing. User, password,
    /// database and protocol come from the URL, as with
    /// [`RedisBuilder::url`](crate::RedisBuilder::url). The URL can list several nodes of a
    /// cluster, or the sentinels that name a master. Nodes, sentinels and replicas of the handle
    /// are not used for this keyspace.
    ///
    /// The scheme decides whether connections are encrypted: `redis://` switches TLS off for this
    /// keyspace. With `rediss://`, they use the TLS options of the handle, except its server name
    /// and `danger_accept_any_certificate`. The same applies to sentinels, with
    /// `rediss+sentinel://`.
    ///
    /// If the URL contains no password, none is sent: the password of the handle is for another
    /// server. [`db`](Self::db) overrides the database of the URL. If the URL is invalid,
    /// [`build`](crate::RedisBuilder::build) fails with an error that does not repeat the URL. On a
    /// [disabled](crate::Redis::disabled) handle, the server of a keyspace is ignored.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { token: fn(user: u64) -> Text }
    /// let redis = Redis::builder()
    ///     .host("cache.internal")
    ///     .keyspace::<SessionKeys>(|options| options.url("redis://app:secret@sessions.internal/1"))
    ///     .build()?;
    /// assert!(!format!("{redis:?}").contains("secret"));
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    pub fn url(mut self, url: impl OptionalText) -> Self {
        if let Some(url) = url.into_text() {
            self.endpoint = Some(OptionEndpoint::Url(Box::new(url::parse(&url))));
        }
        self
    }

    /// Sets whether the server of this keyspace is a node of a cluster; see
    /// [`RedisBuilder::cluster`](crate::RedisBuilder::cluster). By default, a server that only this
    /// keyspace uses is asked, and the server of the handle is treated as the handle says.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { token: fn(user: u64) -> Text }
    /// let redis = Redis::builder()
    ///     .host("cache.internal")
    ///     .keyspace::<SessionKeys>(|options| options.url("redis://node-1:7000,node-2:7000").cluster(true))
    ///     .build()?;
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    pub fn cluster(mut self, is_cluster: bool) -> Self {
        self.cluster = Some(is_cluster);
        self
    }

    /// Encrypts the connections of this keyspace with these options, instead of those of the
    /// handle. Requires the feature `tls`.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text, config::Tls};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { token: fn(user: u64) -> Text }
    /// let redis = Redis::builder()
    ///     .host("cache.internal")
    ///     .keyspace::<SessionKeys>(|options| {
    ///         options.host("sessions.internal").tls(Tls::new().ca_file("sessions-ca.crt"))
    ///     })
    ///     .build()?;
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets the logical database. `None` changes nothing.
    pub fn db(mut self, db: impl Into<Option<u16>>) -> Self {
        self.db = db.into().or(self.db);
        self
    }

    /// Sets how many connections the stateless commands of the keyspace share.
    pub fn shared_connections(mut self, connections: u16) -> Self {
        self.shared_connections = Some(connections);
        self
    }

    /// Sets how many exclusive connections can be checked out at the same time.
    pub fn exclusive_connections(mut self, connections: u16) -> Self {
        self.exclusive_connections = Some(connections);
        self
    }

    /// Sets the deadline of each command.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets how often a command is retried, if it is safe to repeat.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Sets the pause before the first retry.
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.retry_delay = Some(delay);
        self
    }

    /// Sets the maximum length of a key, in bytes.
    pub fn max_key_bytes(mut self, bytes: usize) -> Self {
        self.max_key_bytes = Some(bytes);
        self
    }

    /// Sets the maximum size of a value, in bytes.
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
