//! The effective configuration of a pool: everything that changes its behavior, and nothing else.
//!
//! Keyspaces with equal settings share a pool. The prefix and the application namespace are not
//! part of the settings: they change which keys are sent, not how.

use std::time::Duration;

use super::address_map::AddressMap;
use super::credentials::CredentialsSource;
use super::endpoint::Endpoint;
use super::secret::Secret;
use super::sentinel::SentinelAccess;
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::protocol::SizeLimits;

/// The version of the Redis protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// RESP3 if the server supports it, else RESP2.
    #[default]
    Auto,
    /// RESP2, which every server supports.
    Resp2,
    /// RESP3; connecting fails if the server does not support it.
    Resp3,
}

/// The commands that log a new connection in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum LoginMode {
    /// Sends `HELLO`, `AUTH`, `SELECT`, `CLIENT`, `INFO` and an empty transaction, in one round
    /// trip. A command that the server rejects with an error reply does no harm.
    ///
    /// If the server, or a proxy in front of it, closes the connection instead, the pool repeats
    /// the login as [`Plain`](Self::Plain). Its later connections use the plain login for ten
    /// minutes; then the pool tries the full login again. A pool whose full login has succeeded
    /// before falls back only after three closed connections in a row.
    #[default]
    Auto,
    /// Like [`Auto`](Self::Auto), without the commands that only report something: `INFO`, `CLIENT
    /// SETINFO`, and `CLIENT SETNAME` unless a name is set. This is for servers that are billed per
    /// command. With RESP3, a login takes `HELLO`, `MULTI` and `EXEC`, and `SELECT` if needed; with
    /// RESP2, one more. The empty transaction stays, because the library must know whether
    /// transactions are atomic.
    ///
    /// `CLIENT LIST` then shows neither the program nor the library. The library can't tell a lost
    /// connection from a restarted server, so after either of them a scan starts again.
    Minimal,
    /// Sends `AUTH` and `SELECT` if they are needed, else `PING`; always uses RESP2. This is for
    /// proxies that close the connection on other commands, or never answer them. It saves the
    /// first attempt of [`Auto`](Self::Auto). Separate connections try `MULTI` and `EVAL` to find
    /// out how transactions can run, and `CLUSTER SLOTS` to find out whether the server is a node
    /// of a cluster.
    Plain,
}

impl LoginMode {
    /// Parses the name of a mode in a URL, a variable or a profile.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(Self::Auto),
            "minimal" => Some(Self::Minimal),
            "plain" => Some(Self::Plain),
            _ => None,
        }
    }
}

/// When a circuit breaker opens, and how often the server is probed while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BreakerSettings {
    /// Opens after this many consecutive failures; 0 disables the breaker.
    pub(crate) failures: u32,
    /// The longest pause between two probes.
    pub(crate) pause: Duration,
}

impl BreakerSettings {
    /// The minimum of `pause`: probes without a pause would keep a CPU core busy.
    pub(crate) const SHORTEST: Duration = Duration::from_millis(20);
    /// The maximum of `pause`: commands must work again within a second after the server is back.
    pub(crate) const LONGEST: Duration = Duration::from_millis(500);

    /// Clamps the pause to its range.
    pub(crate) fn new(failures: u32, pause: Duration) -> Self {
        Self { failures, pause: pause.clamp(Self::SHORTEST, Self::LONGEST) }
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self::new(5, Self::LONGEST)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Settings {
    pub(crate) endpoint: Endpoint,
    /// Further nodes of the cluster, which are tried when `endpoint` can't be reached.
    pub(crate) nodes: Vec<(String, u16)>,
    /// Whether the server is a node of a cluster. `None`: the server is asked. `Some(false)`: only
    /// this node is used.
    pub(crate) cluster: Option<bool>,
    /// How connections to the sentinels log in, if `endpoint` is a master that they name.
    pub(crate) sentinel: SentinelAccess,
    /// Further servers that replicate `endpoint`, unless sentinels or a cluster name them.
    pub(crate) replicas: Vec<(String, u16)>,
    /// Whether connections to a node of a cluster may read although it is a replica (`READONLY`).
    pub(crate) reads_replica: bool,
    /// Translates each address before a connection to it is made.
    pub(crate) address_map: Option<AddressMap>,
    /// Set if connections are encrypted.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
    pub(crate) db: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    /// Returns the user and the password, which are then not set. Not used for sentinels.
    pub(crate) credentials: Option<CredentialsSource>,
    pub(crate) protocol: Protocol,
    pub(crate) login: LoginMode,
    pub(crate) client_name: Option<String>,
    /// How many connections to each server stateless commands share.
    pub(crate) shared_connections: Option<u16>,
    /// How many exclusive connections may be checked out at the same time.
    pub(crate) exclusive_connections: u16,
    /// The deadline of a command: waiting for a connection, connecting, and the reply.
    pub(crate) timeout: Duration,
    /// How much of the deadline connecting may use.
    pub(crate) connect_timeout: Duration,
    /// How often a command that is safe to repeat is retried.
    pub(crate) retries: u32,
    /// The pause before the first retry; it doubles, with jitter.
    pub(crate) retry_delay: Duration,
    pub(crate) breaker: BreakerSettings,
    /// How many commands may wait for replies on all shared connections together.
    pub(crate) max_in_flight: u32,
    /// How many bytes may wait to be written on all shared connections together.
    pub(crate) max_queued_bytes: usize,
    /// The maximum length of a key that is sent.
    pub(crate) max_key_bytes: usize,
    /// The maximum size of a value that is sent or read.
    pub(crate) max_value_bytes: usize,
    /// Whether values are decoded again before they are sent.
    pub(crate) verify_writes: bool,
    /// After how much silence a connection is checked with a PING.
    pub(crate) ping_interval: Option<Duration>,
    /// A command that takes at least this long is logged.
    pub(crate) slow_command: Option<Duration>,
    /// A value of at least this size is logged.
    pub(crate) large_value: Option<usize>,
}

impl Settings {
    /// The size limits of keys and values.
    pub(crate) fn sizes(&self) -> SizeLimits {
        SizeLimits { key: self.max_key_bytes, value: self.max_value_bytes }
    }

    /// How many connections to a server stateless commands share. With one server, the default is
    /// two: it answers one connection while the program handles the replies of the other. Several
    /// masters do that anyway, and with more connections the batches are smaller.
    pub(crate) fn shared_connections(&self, is_one_of_several: bool) -> usize {
        let usual = if is_one_of_several { 1 } else { 2 };
        self.shared_connections.map_or(usual, usize::from).max(1)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::Tcp { host: "localhost".to_owned(), port: 6379 },
            nodes: Vec::new(),
            cluster: None,
            sentinel: SentinelAccess::default(),
            replicas: Vec::new(),
            reads_replica: false,
            address_map: None,
            #[cfg(feature = "tls")]
            tls: None,
            db: 0,
            username: None,
            password: None,
            credentials: None,
            protocol: Protocol::Auto,
            login: LoginMode::Auto,
            client_name: None,
            shared_connections: None,
            exclusive_connections: 8,
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            retries: 2,
            retry_delay: Duration::from_millis(20),
            breaker: BreakerSettings::default(),
            max_in_flight: 65_536,
            max_queued_bytes: 64 << 20,
            max_key_bytes: 64 << 10,
            max_value_bytes: 512 << 20, // the default limit of servers
            verify_writes: cfg!(debug_assertions),
            ping_interval: Some(Duration::from_secs(10)),
            slow_command: None,
            large_value: None,
        }
    }
}
