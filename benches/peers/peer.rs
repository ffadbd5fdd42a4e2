//! The list of clients, and how each is configured.

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis_keyspace_benches::{Cart, Error, FIRST_ID, IDS, LARGE_KEY, LARGE_SIZE, Server, TTL};

use crate::bound::Bound;
use crate::driver::{self, ByHand, ClonedOut, Deadpool, Lean, StockBb8};
use crate::measure::{Named, Runner};
use crate::others::{Cached, Fred, Rustis};
use crate::typed::Typed;

/// The driver as its documentation shows it, and with TCP_NODELAY. Ratios use the better one in
/// each cell.
pub const DRIVERS: [&str; 2] = ["redis-rs", "redis-rs-nodelay"];

/// The same over TLS.
pub const TLS_DRIVERS: [&str; 2] = ["redis-rs-tls", "redis-rs-tls-nodelay"];

/// The two bounds. Ratios use the better one in each cell.
pub const BOUNDS: [&str; 2] = ["bound-yields", "bound-writes"];

/// Every peer, and whether it runs by default.
pub const NAMES: &[(&str, bool)] = &[
    (BOUNDS[0], true),
    (BOUNDS[1], true),
    (DRIVERS[0], true),
    (DRIVERS[1], true),
    ("keyspace", true),
    ("keyspace-1", false), // with that many shared connections
    ("keyspace-2", false),
    ("keyspace-4", false),
    ("keyspace-no-fills", false),
    ("keyspace-get", true), // only in place of a fill
    ("redis-rs-lean", false),
    ("manager", true),
    ("bb8-10", true),
    ("bb8-10-nodelay", false),
    ("bb8-32", false),
    ("deadpool-16", true),
    ("deadpool-16-nodelay", false),
    ("fred", true),
    ("fred-nodelay", true),
    ("rustis", true), // its default is TCP_NODELAY
    ("cloned-out", false),
    ("cached", false),
    #[cfg(feature = "cluster")]
    ("keyspace-cluster-1", false), // a cluster of one master
    #[cfg(feature = "cluster")]
    ("keyspace-cluster-3", false), // and of three
    #[cfg(feature = "cluster")]
    ("redis-rs-cluster-1", false),
    #[cfg(feature = "cluster")]
    ("redis-rs-cluster-3", false),
    #[cfg(feature = "tls")]
    ("keyspace-tls", false),
    #[cfg(feature = "tls")]
    (TLS_DRIVERS[0], false),
    #[cfg(feature = "tls")]
    (TLS_DRIVERS[1], false),
];

/// Connects the given peers.
pub async fn connect(
    names: &[&'static str],
    server: &Server,
    unix: bool,
) -> Result<Vec<Box<dyn Runner>>, Error> {
    let url = if unix { format!("redis+unix://{}", server.socket().display()) } else { server.url() };
    let typed = Typed::connect(&url, server).await?;
    #[cfg(feature = "cluster")]
    let clusters = crate::clusters::start(names, server.core()).await?;
    let mut peers: Vec<Box<dyn Runner>> = Vec::new();
    for &name in names {
        let nodelay = name.ends_with("-nodelay");
        let info = driver::info(&url, nodelay)?;
        let client = redis::Client::open(info.clone())?;
        peers.push(match name.trim_end_matches("-nodelay") {
            "bound-yields" => Box::new(Named(name, Bound::connect(server, unix, true).await?)),
            "bound-writes" => Box::new(Named(name, Bound::connect(server, unix, false).await?)),
            "redis-rs" => Box::new(Named(name, ByHand(client.get_multiplexed_async_connection().await?))),
            #[cfg(feature = "tls")]
            "redis-rs-tls" => {
                let client = driver::tls_client(server, nodelay)?;
                Box::new(Named(name, ByHand(client.get_multiplexed_async_connection().await?)))
            }
            "redis-rs-lean" => Box::new(Named(name, Lean(client.get_multiplexed_async_connection().await?))),
            "manager" => {
                let config = ConnectionManagerConfig::new();
                Box::new(Named(name, ByHand(ConnectionManager::new_with_config(client, config).await?)))
            }
            "bb8-10" => Box::new(Named(name, StockBb8::connect(info, 10).await?)),
            "bb8-32" => Box::new(Named(name, StockBb8::connect(info, 32).await?)),
            "cloned-out" => Box::new(Named(name, ClonedOut(StockBb8::connect(info, 2).await?.0))),
            "deadpool-16" => Box::new(Named(name, Deadpool::connect(info, 16)?)),
            "fred" => Box::new(Named(name, Fred::connect(&url, nodelay).await?)),
            "rustis" => Box::new(Named(name, Rustis(rustis::client::Client::connect(url.as_str()).await?))),
            "cached" => Box::new(Named(name, Cached::connect(&url).await?)),
            #[cfg(feature = "cluster")]
            name if name.contains("-cluster-") => clusters.peer(name).await?,
            _ => typed.peer(name).ok_or_else(|| format!("unknown peer {name}"))?,
        });
    }
    Ok(peers)
}

/// Stores every value, with a separate connection.
pub async fn preload(server: &Server) -> Result<(), Error> {
    let mut connection = redis::Client::open(server.url())?.get_multiplexed_async_connection().await?;
    for user in FIRST_ID..FIRST_ID + IDS {
        let json = serde_json::to_vec(&Cart::of(user))?;
        driver::set_command(user).arg(json).arg("EX").arg(TTL).query_async::<()>(&mut connection).await?;
    }
    crate::write::by_hand::load(&mut connection).await?;
    let large = vec![b'x'; LARGE_SIZE];
    Ok(redis::cmd("SET").arg(LARGE_KEY).arg(large).query_async(&mut connection).await?)
}

pub fn missing() -> Error {
    "a stored value is missing".into()
}

pub fn key(user: u64) -> String {
    format!("cart:user:{user}")
}
