//! The effective configuration of a pool: everything that changes how it behaves, and nothing else.
//!
//! Two keyspaces whose settings are equal share a pool. The prefix and the application namespace are not here:
//! they change what is sent, not how.

use std::fmt;
#[cfg(feature = "embedded")]
use std::hash::Hasher;
use std::hash::{BuildHasher, Hash, RandomState};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::breaker::BreakerSettings;

/// Where a server is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
    #[cfg(feature = "embedded")]
    Embedded(Embedded),
    /// A pool of the user's own.
    Pool(super::external::External),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An IPv6 address needs its brackets back.
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => write!(f, "embedded server {}", embedded.id),
            Self::Pool(_) => f.write_str("the application's own pool"),
        }
    }
}

/// An in-process server; servers are told apart by a number, since their contents can't be compared.
#[cfg(feature = "embedded")]
#[derive(Clone)]
pub(crate) struct Embedded {
    id: u64,
    pub(crate) server: redis_keyspace_embedded::Server,
}

#[cfg(feature = "embedded")]
impl Embedded {
    pub(crate) fn new(server: redis_keyspace_embedded::Server) -> Self {
        Self { id: unique_id(), server }
    }
}

#[cfg(feature = "embedded")]
impl PartialEq for Embedded {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

#[cfg(feature = "embedded")]
impl Eq for Embedded {}

#[cfg(feature = "embedded")]
impl Hash for Embedded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// A number that nothing else in this process has.
pub(crate) fn unique_id() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A text that never prints.
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

/// Which version of the Redis protocol to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// RESP3 where the server has it, else RESP2.
    #[default]
    Auto,
    /// RESP2, which every server has.
    Resp2,
    /// RESP3, or fail.
    Resp3,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Settings {
    pub(crate) endpoint: Endpoint,
    pub(crate) db: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) protocol: Protocol,
    pub(crate) client_name: Option<String>,
    /// How many connections are shared by all stateless commands.
    pub(crate) lanes: u16,
    /// How many connections may be checked out exclusively at once.
    pub(crate) exclusives: u16,
    /// The deadline of a command: waiting for a connection, connecting, and the reply.
    pub(crate) timeout: Duration,
    /// How much of it connecting may take.
    pub(crate) connect_timeout: Duration,
    /// How often a command that a second run can't hurt is tried again after its connection was lost.
    pub(crate) retries: u32,
    /// The pause before the first retry; it doubles, with jitter.
    pub(crate) retry_delay: Duration,
    pub(crate) breaker: BreakerSettings,
    /// How many commands may wait for their replies on all lanes together.
    pub(crate) max_in_flight: u32,
    /// How many bytes of them may wait to be written.
    pub(crate) max_queued_bytes: usize,
    /// The longest value that is sent, and that is kept of what arrives.
    pub(crate) max_value: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::Tcp { host: "localhost".to_owned(), port: 6379 },
            db: 0,
            username: None,
            password: None,
            protocol: Protocol::Auto,
            client_name: None,
            lanes: 2,
            exclusives: 8,
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            retries: 2,
            retry_delay: Duration::from_millis(20),
            breaker: BreakerSettings::default(),
            max_in_flight: 65_536,
            max_queued_bytes: 64 << 20,
            max_value: 512 << 20, // what servers take themselves, unless told otherwise
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The identity of a connection configuration, as stats print it.
///
/// Equal for equal configurations within one process. It is keyed with a random number of the process, so nothing
/// about a password can be learnt from it, and it differs from one run to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn of(settings: &Settings) -> Self {
        static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(KEYS.hash_one(settings))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
