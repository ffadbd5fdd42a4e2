//! The effective configuration of a pool: everything that changes its behavior, and nothing else.
//!
//! Keyspaces with equal settings share a pool. The prefix and the application namespace are not part of it: they change what
//! is sent, not how.

use std::fmt;
use std::time::Duration;

use super::endpoint::Endpoint;
use crate::protocol::SizeLimits;

/// A string that never prints.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

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

/// Which commands a new connection is logged in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum LoginMode {
    /// `HELLO`, `AUTH`, `SELECT`, `CLIENT`, `INFO` and an empty transaction, in one round trip. A command that the server
    /// rejects does no harm. If the server, or a proxy in front of it, closes the connection instead, the login is repeated
    /// as [`Plain`](Self::Plain). Later connections of the pool start with that for ten minutes; then the pool tries the
    /// whole login again. A pool that has logged in wholly before, falls back only after three closed connections in a row.
    #[default]
    Auto,
    /// `AUTH` and `SELECT` if they are needed, else `PING`; always RESP2. For proxies that close the connection on other
    /// commands, or never answer them. It saves the first attempt. Separate connections try `MULTI` and `EVAL`, to find out
    /// how transactions can run.
    Plain,
}

impl LoginMode {
    /// The mode that a URL or a profile names.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(Self::Auto),
            "plain" => Some(Self::Plain),
            _ => None,
        }
    }
}

/// When a circuit breaker opens, and how often it is probed whether it can close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BreakerSettings {
    /// Opens after this many consecutive failures; 0 disables the breaker.
    pub(crate) failures: u32,
    /// The longest pause between two probes.
    pub(crate) pause: Duration,
}

impl BreakerSettings {
    /// The shortest of the longest pauses: probes without a pause would keep a processor busy.
    pub(crate) const SHORTEST: Duration = Duration::from_millis(20);
    /// The longest pause: commands work again within a second after the server is back.
    pub(crate) const LONGEST: Duration = Duration::from_millis(500);

    /// A pause out of range counts as the nearest that is in range.
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
    pub(crate) db: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) protocol: Protocol,
    pub(crate) login: LoginMode,
    pub(crate) client_name: Option<String>,
    /// How many connections stateless commands share.
    pub(crate) shared_connections: u16,
    /// How many connections may be checked out exclusively at once.
    pub(crate) exclusive_connections: u16,
    /// The deadline of a command: waiting for a connection, connecting, and the reply.
    pub(crate) timeout: Duration,
    /// How much of it connecting may take.
    pub(crate) connect_timeout: Duration,
    /// How often a command is retried that is safe to repeat.
    pub(crate) retries: u32,
    /// The pause before the first retry; it doubles, with jitter.
    pub(crate) retry_delay: Duration,
    pub(crate) breaker: BreakerSettings,
    /// How many commands may wait for replies on all shared connections together.
    pub(crate) max_in_flight: u32,
    /// How many bytes may wait to be written on all shared connections together.
    pub(crate) max_queued_bytes: usize,
    /// The longest key that is sent.
    pub(crate) max_key_bytes: usize,
    /// The largest value that is sent or read.
    pub(crate) max_value_bytes: usize,
    /// Whether values are decoded again before they are sent.
    pub(crate) verify_writes: bool,
}

impl Settings {
    /// How long what is sent may be.
    pub(crate) fn sizes(&self) -> SizeLimits {
        SizeLimits { key: self.max_key_bytes, value: self.max_value_bytes }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::Tcp { host: "localhost".to_owned(), port: 6379 },
            db: 0,
            username: None,
            password: None,
            protocol: Protocol::Auto,
            login: LoginMode::Auto,
            client_name: None,
            shared_connections: 2,
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
        }
    }
}
