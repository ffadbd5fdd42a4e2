//! The location and identity of a server.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use bb8_redis::{RedisConnectionManager, bb8};

use super::address::Address;
use super::sentinel::WatchedMaster;

/// The location of a server.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
    /// The server that sentinels name as the master.
    Sentinel(WatchedMaster),
    #[cfg(feature = "embedded")]
    Embedded(EmbeddedServer),
    /// A pool of the application.
    Pool(ExternalPool),
    /// No server: the handle is disabled. The number identifies the handle.
    Disabled(u64),
}

/// The identity of a server, as far as the process can tell. Two names of one server count as two
/// servers, and so do two pools of the application.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum ServerIdentity {
    Tcp(String, u16),
    Unix(PathBuf),
    /// The name of the master, and the sentinels in order.
    Sentinel(String, Vec<Address>),
    #[cfg(feature = "embedded")]
    Embedded(String),
    Pool(u64),
    Disabled(u64),
}

impl Endpoint {
    pub(crate) fn identity(&self) -> ServerIdentity {
        match self {
            Self::Tcp { host, port } => ServerIdentity::Tcp(host.to_ascii_lowercase(), *port),
            Self::Unix(path) => ServerIdentity::Unix(path.clone()),
            Self::Sentinel(master) => {
                let lowercase = |(host, port): &Address| (host.to_ascii_lowercase(), *port);
                let mut sentinels: Vec<_> = master.sentinels.iter().map(lowercase).collect();
                sentinels.sort_unstable();
                ServerIdentity::Sentinel(master.name.clone(), sentinels)
            }
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => ServerIdentity::Embedded(embedded.server.run_id().to_owned()),
            Self::Pool(pool) => ServerIdentity::Pool(pool.id),
            Self::Disabled(id) => ServerIdentity::Disabled(*id),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The stored host has no brackets, but an IPv6 address with a port needs them.
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Sentinel(master) => master.fmt(f),
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => write!(f, "embedded server {}", embedded.id),
            Self::Pool(_) => f.write_str("the application's pool"),
            Self::Disabled(_) => f.write_str("disabled"),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An in-process server. A number identifies it, because servers can't be compared by content.
#[cfg(feature = "embedded")]
#[derive(Clone)]
pub(crate) struct EmbeddedServer {
    id: u64,
    pub(crate) server: redis_keyspace_embedded::Server,
}

#[cfg(feature = "embedded")]
impl EmbeddedServer {
    pub(crate) fn new(server: redis_keyspace_embedded::Server) -> Self {
        Self { id: unique_id(), server }
    }
}

#[cfg(feature = "embedded")]
impl PartialEq for EmbeddedServer {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

#[cfg(feature = "embedded")]
impl Eq for EmbeddedServer {}

#[cfg(feature = "embedded")]
impl Hash for EmbeddedServer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// A `bb8_redis` pool of the application. A number identifies it, because pools can't be compared.
#[derive(Clone)]
pub(crate) struct ExternalPool {
    id: u64,
    pub(crate) pool: bb8::Pool<RedisConnectionManager>,
    /// Whether the server is known to accept MULTI.
    pub(crate) has_transactions: Arc<AtomicBool>,
    /// Whether the server is a node of a cluster; empty until the server was asked.
    pub(crate) is_cluster: Arc<OnceLock<bool>>,
}

impl ExternalPool {
    pub(crate) fn new(pool: bb8::Pool<RedisConnectionManager>) -> Self {
        Self { id: unique_id(), pool, has_transactions: Arc::default(), is_cluster: Arc::default() }
    }
}

impl PartialEq for ExternalPool {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for ExternalPool {}

impl Hash for ExternalPool {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// Returns a number that is unique in this process.
pub(crate) fn unique_id() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
