//! The builder of a handle.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use super::endpoint::{Endpoint, ExternalPool, unique_id};
use super::keyspace_options::KeyspaceOptions;
use super::optional_text::OptionalText;
use super::secret::Secret;
use super::settings::{BreakerSettings, LoginMode, Protocol, Settings};
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::validate::{NAMESPACE_RULES, is_namespace};
use crate::error::{Error, Result};
use crate::schema::{Keyspace, KeyspaceMeta};

/// A builder for a [`Redis`](crate::Redis) handle, created by
/// [`Redis::builder`](crate::Redis::builder).
///
/// Setters of strings, of the port and of the database also accept an `Option`; `None` changes
/// nothing.
///
/// Building does no I/O. The handle connects for its first command, or when
/// [`Redis::connect`](crate::Redis::connect) is called.
///
/// ```
/// use std::time::Duration;
/// use redis_keyspace::Redis;
///
/// let redis = Redis::builder()
///     .host("127.0.0.1")
///     .port(6380)
///     .username("app")
///     .password("secret")
///     .db(1)
///     .timeout(Duration::from_millis(800))
///     .namespace("staging")?
///     .build()?;
/// assert!(!format!("{redis:?}").contains("secret"));
/// # Ok::<(), redis_keyspace::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct RedisBuilder {
    pub(crate) base: Settings,
    /// The namespace with its separator, or an empty string.
    pub(crate) namespace: String,
    /// The options of single keyspaces, by the address of their metadata.
    pub(crate) keyspaces: HashMap<usize, (&'static KeyspaceMeta, KeyspaceOptions)>,
    /// The profile that requires a server. Cleared when a server is set.
    pub(crate) requires_server: Option<&'static str>,
    /// Whether a setter has set the server. Replicas that are set before belong to that server.
    pub(super) server_is_set: bool,
    /// Whether connections to sentinels use the TLS options of the server, unless they have their
    /// own.
    #[cfg(feature = "tls")]
    pub(super) sentinels_share_tls: bool,
    /// Whether keyspaces that can produce the same key may use the same database.
    pub(crate) allows_overlaps: bool,
}

impl RedisBuilder {
    /// Uses a `bb8_redis` pool of the application instead of connecting; see
    /// [`Redis::from_pool`](crate::Redis::from_pool).
    ///
    /// The pool keeps its own configuration. The namespace, the deadlines, the retries, the circuit
    /// breaker, the limits of keys and of sent values, and the database of this builder still
    /// apply. The database must be the one that the pool's connections use.
    pub fn pool(self, pool: bb8_redis::bb8::Pool<bb8_redis::RedisConnectionManager>) -> Self {
        self.with_endpoint(Endpoint::Pool(ExternalPool::new(pool)))
    }

    /// Disables the handle, so that it uses no server; see
    /// [`Redis::disabled`](crate::Redis::disabled).
    pub fn disabled(self) -> Self {
        self.with_endpoint(Endpoint::Disabled(unique_id()))
    }

    /// Sets the host name or address of the server; the default is `localhost`.
    pub fn host(self, host: impl OptionalText) -> Self {
        let Some(host) = host.into_text() else { return self };
        let port = match &self.base.endpoint {
            Endpoint::Tcp { port, .. } => *port,
            _ => 6379,
        };
        self.with_endpoint(Endpoint::Tcp { host, port })
    }

    /// Sets the port of the server; the default is 6379.
    pub fn port(mut self, port: impl Into<Option<u16>>) -> Self {
        let Some(port) = port.into() else { return self };
        if let Endpoint::Tcp { port: old, .. } = &mut self.base.endpoint {
            *old = port;
            return self;
        }
        self.with_endpoint(Endpoint::Tcp { host: "localhost".to_owned(), port })
    }

    /// Sets the unix socket of the server.
    pub fn unix_socket(self, path: impl Into<PathBuf>) -> Self {
        self.with_endpoint(Endpoint::Unix(path.into()))
    }

    /// Encrypts the connections with these options. Requires the feature `tls`.
    ///
    /// Options of an earlier call are replaced. Connections to an in-process server stay as they
    /// are. A unix socket or a [pool of the application](Self::pool) with TLS is an error.
    ///
    /// ```
    /// use redis_keyspace::Redis;
    /// use redis_keyspace::config::Tls;
    ///
    /// let redis =
    ///     Redis::builder().url("rediss://redis.internal:6380")?.tls(Tls::new().ca_file("ca.crt")).build()?;
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.base.tls = Some(tls);
        self
    }

    /// Sets the ACL user; the default is `default`.
    pub fn username(mut self, username: impl OptionalText) -> Self {
        self.base.username = username.into_text().or(self.base.username);
        self
    }

    /// Sets the password. It is never printed.
    pub fn password(mut self, password: impl OptionalText) -> Self {
        self.base.password = password.into_text().map(Secret::new).or(self.base.password);
        self
    }

    /// Sets the logical database for keyspaces that do not declare one; the default is 0.
    pub fn db(mut self, db: impl Into<Option<u16>>) -> Self {
        self.base.db = db.into().unwrap_or(self.base.db);
        self
    }

    /// Sets the protocol version; the default is RESP3 if the server supports it.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.base.protocol = protocol;
        self
    }

    /// Sets which commands log a connection in. The default detects what the server accepts.
    /// [`LoginMode::Minimal`] sends fewer commands, for servers that are billed per command.
    /// [`LoginMode::Plain`] is for proxies that close the connection on any command but `AUTH` and
    /// `SELECT`.
    ///
    /// Behind such a proxy, [`health`](crate::Redis::health) reports no version and no role, and
    /// connections have no name. The library does not notice a restarted server. If the proxy
    /// rejects `CLUSTER`, the library notices a cluster only at its first redirection. If the proxy
    /// also rejects `MULTI`, transactions run as scripts. If it rejects scripts too, operations
    /// that need either fail with an error that says so.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// use redis_keyspace::config::LoginMode;
    ///
    /// let redis = Redis::builder().host("proxy.internal").login(LoginMode::Plain).build()?;
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    pub fn login(mut self, login: LoginMode) -> Self {
        self.base.login = login;
        self
    }

    /// Sets the name of the connections in `CLIENT LIST`: printable ASCII without spaces. The
    /// default is the file name of the executable without its extension, with every other character
    /// replaced by `-`.
    pub fn client_name(mut self, name: impl OptionalText) -> Self {
        self.base.client_name = name.into_text().or(self.base.client_name);
        self
    }

    /// Sets how many connections stateless commands share, from 1 to 64. The default is 2. On a
    /// [cluster](crate::guide::cluster), the number is for each node, and the default is 1 if the
    /// cluster has several masters.
    ///
    /// A command uses the connection with the fewest commands in flight. Two connections are the
    /// fastest for most programs: the server answers one while the program handles the replies of
    /// the other. The masters of a cluster have the same effect. More connections need more system
    /// calls.
    pub fn shared_connections(mut self, connections: u16) -> Self {
        self.base.shared_connections = Some(connections);
        self
    }

    /// Sets how many exclusive connections can be checked out at the same time, from 1 to 1024; the
    /// default is 8. [`Redis::raw`](crate::Redis::raw), `watch`, `block`, `wait_replicas`, `tail`
    /// and workers use them.
    pub fn exclusive_connections(mut self, connections: u16) -> Self {
        self.base.exclusive_connections = connections;
        self
    }

    /// Sets the deadline of a command; the default is 5 s. It covers waiting for a connection,
    /// connecting and the reply.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.base.timeout = timeout;
        self
    }

    /// Sets how much of the deadline one attempt to connect and log in may use; the default is 2 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.base.connect_timeout = timeout;
        self
    }

    /// Sets how often a command is retried if connecting fails or the connection is lost; the
    /// default is 2. All retries share the deadline of the command.
    ///
    /// Only commands that are safe to repeat are retried: reads, and writes whose second run has
    /// the same outcome. `incr` and `get_del` are not among them.
    pub fn retries(mut self, retries: u32) -> Self {
        self.base.retries = retries;
        self
    }

    /// Sets the pause before the first retry; the default is 20 ms. It doubles with each retry, up
    /// to 500 ms. A longer `delay` stays constant. Each pause is shortened at random by up to a
    /// half.
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.base.retry_delay = delay;
        self
    }

    /// Configures the circuit breaker. After `failures` consecutive failures (failed attempts to
    /// connect, and lost connections), commands fail at once, and
    /// [`is_breaker_open`](Error::is_breaker_open) returns true. The default is 5; 0 disables the
    /// breaker. Error replies, a wrong password and a full pool do not count as failures.
    ///
    /// While the breaker is open, one task of the pool tries to connect and log in, and closes the
    /// breaker when it succeeds. `pause` is the longest time between two attempts, from 20 ms to
    /// 500 ms; the default is 500 ms. A value out of this range is clamped to it.
    ///
    /// The first pauses are shorter, and all pauses have jitter, so that many processes do not
    /// connect at the same moment. Commands work again within a second after the server is back,
    /// after an outage of any length. If an attempt then fails for another reason, such as a wrong
    /// password, the breaker closes too, and commands report that reason.
    ///
    /// The attempts end when the last handle of the pool is dropped. They also stop when no command
    /// has failed at the open breaker for a minute; then the next command tries to connect itself.
    pub fn breaker(mut self, failures: u32, pause: Duration) -> Self {
        self.base.breaker = BreakerSettings::new(failures, pause);
        self
    }

    /// Sets how many commands of a pool may wait for replies on its shared connections; the default
    /// is 65,536. The limit is divided among these connections and the connection for large
    /// requests. The same number of requests may wait for a connection.
    ///
    /// Further commands fail at once with [`PoolBusy`](crate::ErrorKind::PoolBusy): when the server
    /// does not keep up, they would only wait for their deadlines.
    pub fn max_in_flight(mut self, commands: u32) -> Self {
        self.base.max_in_flight = commands;
        self
    }

    /// Sets how many bytes of requests may wait to be written on the shared connections of a pool;
    /// the default is 64 MiB. The limit is divided among them as with
    /// [`max_in_flight`](Self::max_in_flight). The same number of bytes may wait for a connection.
    ///
    /// Further requests fail at once with [`PoolBusy`](crate::ErrorKind::PoolBusy). A single
    /// request of any length is accepted while the requests before it are within the limit.
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.base.max_queued_bytes = bytes;
        self
    }

    /// Sets the maximum length of a key, in bytes without the namespace, at least 1024; the default
    /// is 64 KiB. A command on a longer key fails with
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), and nothing is sent.
    ///
    /// Redis accepts keys of 512 MiB. Without a limit, an untrusted id could fill the server, its
    /// input buffer (`client-query-buffer-limit`) and the queues of this process. Scans skip longer
    /// keys, which other programs may have stored, and count them as skipped.
    pub fn max_key_bytes(mut self, bytes: usize) -> Self {
        self.base.max_key_bytes = bytes;
        self
    }

    /// Sets the maximum size of a value that is sent or read, in bytes, at least 4096; the default
    /// is 512 MiB, the limit of servers. A larger value fails with
    /// [`TooLarge`](crate::ErrorKind::TooLarge): it is not sent, or it is dropped while it arrives.
    /// A [pool of the application](Self::pool) reads values of any size.
    ///
    /// Encoding stops at the limit. `set` encodes its value before it knows which handle it runs
    /// on. It uses the limit of the handle that is set on the key, or else the largest limit of all
    /// handles in the process.
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.base.max_value_bytes = bytes;
        self
    }

    /// Sets whether each value is decoded again before it is sent; the default is true in debug
    /// builds and false in release builds. A write whose value no reader could decode fails with
    /// [`Encode`](crate::ErrorKind::Encode), and nothing is sent.
    ///
    /// This finds types that do not read what they write, in tests. It more than doubles the work
    /// per value. To switch it on in a release build for a while, set `REDIS_VERIFY_WRITES=true`.
    ///
    /// Without the check, such a value is stored. Reads then fail with
    /// [`Decode`](crate::ErrorKind::Decode), `get_or_set` loads the value on each call, and
    /// `update` and `Once` fail until the key is deleted.
    pub fn verify_writes(mut self, verifies: bool) -> Self {
        self.base.verify_writes = verifies;
        self
    }

    /// Sets how long a connection may be silent before it is checked with a `PING`. `None` turns
    /// the check off. The default is 10 seconds.
    ///
    /// A shared connection without traffic sends a `PING` after one to two intervals, and then
    /// every second interval. An exclusive connection that was unused for longer than the interval
    /// sends one when it is checked out.
    ///
    /// The check closes a connection that was cut without notice, for example by a firewall, before
    /// a command needs it. Without the check, the next command gets no reply and fails at its
    /// deadline. On a server that is billed per command, an idle shared connection costs 180
    /// commands an hour with the default.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// let redis = Redis::builder().host("redis.internal").ping_interval(None).build()?;
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    pub fn ping_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.base.ping_interval = interval.into();
        self
    }

    /// Logs each command that takes at least this long, and counts it. There is no default.
    ///
    /// The time includes waiting for a connection, connecting and retries, but not waiting for a
    /// lock, or for other updates of the same key. A batch, a transaction or a page of a scan is
    /// logged as one, without a template; a batch has the keyspace of its first command. `raw` and
    /// dropped futures are not logged. The event has no key and no value; see
    /// [`telemetry`](crate::telemetry). The option has no effect without the feature `tracing` or
    /// `metrics`.
    pub fn slow_command(mut self, least: Duration) -> Self {
        self.base.slow_command = Some(least);
        self
    }

    /// Logs each command that sends or reads a value of at least this size, in bytes, and counts
    /// it. There is no default.
    ///
    /// A limit far below [`max_value_bytes`](Self::max_value_bytes) shows which templates grow
    /// before their writes fail. A command is logged once per direction, with its largest value.
    /// `raw` is not logged. The event has no key and no value; see
    /// [`telemetry`](crate::telemetry). The option has no effect without the feature `tracing` or
    /// `metrics`.
    pub fn large_value(mut self, least: usize) -> Self {
        self.base.large_value = Some(least);
        self
    }

    /// Sets an application namespace. Every key is sent with the namespace and a `:` in front, so
    /// that several programs, stages or tests can share a server. Keys print without it.
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the namespace is empty, longer than
    /// 256 bytes, or contains control characters or any of `: % * ? [ ] \ { }`. A namespace is one
    /// segment: with a `:` in it, two programs with different namespaces could use the same keys.
    pub fn namespace(mut self, namespace: impl OptionalText) -> Result<Self> {
        let Some(namespace) = namespace.into_text() else { return Ok(self) };
        if !is_namespace(&namespace) {
            return Err(Error::configuration(format!("the namespace is invalid: {NAMESPACE_RULES}")));
        }
        self.namespace = format!("{namespace}:");
        Ok(self)
    }

    /// Allows keyspaces that can produce the same key to use the same database. Use it for tests
    /// that run keyspaces of several programs on one server, or that install one server under
    /// several names.
    ///
    /// Without it, a command fails with [`Configuration`](crate::ErrorKind::Configuration) in two
    /// cases:
    ///
    /// - its keyspace and another keyspace of this process can produce the same key in the same
    ///   database and namespace;
    /// - one of the two declares a `dedicated_server` that the other one does not name.
    ///
    /// A keyspace is checked once, when a handle runs its first command on a runtime. The check
    /// uses the server of the handle, whether the handle is installed, in scope, or set by
    /// `.on(&redis)`. A server with two addresses, or two [pools of the application](Self::pool),
    /// counts as two servers.
    ///
    /// Other handles ignore the keyspaces of this handle in their checks.
    ///
    /// ```
    /// # use redis_keyspace::{ErrorKind, Keyspace, Redis, Text};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "user", server = "accounts", ttl = "1h")]
    /// struct AccountKeys { name: fn(id: u64) -> Text }
    ///
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "user", server = "shop", ttl = "1h")]
    /// struct ShopKeys { name: fn(id: u64) -> Text }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// let redis = Redis::embedded();
    /// AccountKeys::name(7).set("Ann").on(&redis).await?;
    /// let error = ShopKeys::name(7).get().on(&redis).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Configuration);
    /// assert!(error.to_string().contains("for example `user:name:0`"), "{error}");
    ///
    /// let redis = Redis::builder()
    ///     .embedded(redis_keyspace::embedded::Server::new())
    ///     .allow_overlapping_keyspaces()
    ///     .build()?;
    /// AccountKeys::name(7).set("Ann").on(&redis).await?;
    /// assert_eq!(ShopKeys::name(7).get().on(&redis).await?.as_deref(), Some("Ann"));
    /// # Ok(()) }
    /// ```
    pub fn allow_overlapping_keyspaces(mut self) -> Self {
        self.allows_overlaps = true;
        self
    }

    /// Sets the options of one keyspace. They override its declaration, which overrides the options
    /// for all keyspaces.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", db = 1, ttl = "1d")]
    /// # struct SessionKeys { token: fn(user: u64) -> Text }
    /// let redis = Redis::builder()
    ///     .keyspace::<SessionKeys>(|options| options.db(4).retries(5))
    ///     .build()?;
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    pub fn keyspace<S: Keyspace>(mut self, options: impl FnOnce(KeyspaceOptions) -> KeyspaceOptions) -> Self {
        let earlier = self.keyspaces.remove(&S::META.address()).map(|(_, options)| options);
        self.keyspaces.insert(S::META.address(), (S::META, options(earlier.unwrap_or_default())));
        self
    }

    /// Makes `build` fail unless a server is set: the default server is for development.
    #[cfg(feature = "profiles")]
    pub(crate) fn requiring_a_server(mut self, profile: &'static str) -> Self {
        self.requires_server = Some(profile);
        self
    }
}
