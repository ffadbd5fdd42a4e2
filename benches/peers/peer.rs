//! The clients, each used as its documentation shows: keys from `format!`, JSON from serde_json.

use std::sync::Arc;
use std::time::Duration;

use bb8_redis::bb8;
use cached::ConcurrentCachedAsync as _;
use fred::interfaces::{ClientLike, KeysInterface};
use redis::aio::{ConnectionLike, ConnectionManager, MultiplexedConnection};
use redis::{AsyncConnectionConfig, ConnectionInfo, IntoConnectionInfo, RedisWrite};
use redis_keyspace::config::KeyspaceOptions;
use redis_keyspace::{Json, Keyspace, Redis};
use redis_keyspace_benches::{Cart, Error, FIRST_ID, IDS, Server, TTL};
use rustis::commands::{SetExpiration, StringCommands};

use crate::measure::{Named, Peer, Runner};

/// The peer that all others are compared with.
pub const BASELINE: &str = "redis-rs";

/// Every peer, and whether it runs by default.
pub const NAMES: [(&str, bool); 15] = [
    (BASELINE, true),
    ("keyspace", true),
    ("keyspace-1", false), // with that many shared connections
    ("keyspace-2", false),
    ("keyspace-4", false),
    ("redis-rs-lean", false),
    ("manager", true),
    ("bb8-10", true),
    ("bb8-32", true),
    ("deadpool-16", true),
    ("fred", true),
    ("rustis", true),
    ("cloned-out", false),
    ("keyspace-get", false), // a plain GET instead of a fill
    ("cached", false),
];

/// Connects the given peers.
pub async fn connect(
    names: &[&'static str],
    server: &Server,
    unix: bool,
) -> Result<Vec<Box<dyn Runner>>, Error> {
    let url = if unix { format!("redis+unix://{}", server.socket().display()) } else { server.url() };
    let client = redis::Client::open(driver_info(&url)?)?;
    // Peers that share one connection get the library's default timeout: the driver's default of
    // 500 ms would turn a slow moment of the machine into errors.
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(TIMEOUT));

    let lanes = |lanes| move |options: KeyspaceOptions| options.shared_connections(lanes);
    let keyspaces = Redis::builder()
        .url(&url)?
        .timeout(TIMEOUT)
        .keyspace::<OneLane>(lanes(1))
        .keyspace::<TwoLanes>(lanes(2))
        .keyspace::<FourLanes>(lanes(4))
        .build()?
        .install();
    keyspaces.connect().await?;

    let mut peers: Vec<Box<dyn Runner>> = Vec::new();
    for &name in names {
        peers.push(match name {
            "keyspace" => Box::new(Named(name, Typed)),
            "keyspace-get" => Box::new(Named(name, TypedGet)),
            "cached" => Box::new(Named(name, Cached::connect(&url).await?)),
            "keyspace-1" => Box::new(Named(name, TypedOneLane)),
            "keyspace-2" => Box::new(Named(name, TypedTwoLanes)),
            "keyspace-4" => Box::new(Named(name, TypedFourLanes)),
            BASELINE => {
                let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
                Box::new(Named(name, ByHand(connection)))
            }
            "redis-rs-lean" => {
                let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
                Box::new(Named(name, Lean(connection)))
            }
            "manager" => {
                let config = redis::aio::ConnectionManagerConfig::new().set_response_timeout(Some(TIMEOUT));
                Box::new(Named(
                    name,
                    ByHand(ConnectionManager::new_with_config(client.clone(), config).await?),
                ))
            }
            "bb8-10" => Box::new(Named(name, stock_bb8(&url, 10).await?)),
            "bb8-32" => Box::new(Named(name, stock_bb8(&url, 32).await?)),
            "cloned-out" => Box::new(Named(name, ClonedOut(stock_bb8(&url, 2).await?.0))),
            "deadpool-16" => {
                let manager = deadpool_redis::Manager::new(driver_info(&url)?)?;
                let pool = deadpool_redis::Pool::builder(manager)
                    .max_size(16)
                    .runtime(deadpool_redis::Runtime::Tokio1)
                    .build()?;
                Box::new(Named(name, Deadpool(pool)))
            }
            "fred" => Box::new(Named(name, Fred(fred_client(&url).await?))),
            "rustis" => Box::new(Named(name, Rustis(rustis::client::Client::connect(url.as_str()).await?))),
            _ => return Err(format!("unknown peer {name}").into()),
        });
    }
    Ok(peers)
}

/// Stores every value, with a separate connection.
pub async fn preload(server: &Server) -> Result<(), Error> {
    let mut connection = redis::Client::open(server.url())?.get_multiplexed_async_connection().await?;
    for user in FIRST_ID..FIRST_ID + IDS {
        let json = serde_json::to_vec(&Cart::of(user))?;
        set_command(user).arg(json).arg("EX").arg(TTL).query_async::<()>(&mut connection).await?;
    }
    Ok(())
}

const TIMEOUT: Duration = Duration::from_secs(5);

fn driver_info(url: &str) -> Result<ConnectionInfo, Error> {
    let info = url.into_connection_info()?;
    // The other clients set TCP_NODELAY by default.
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    Ok(info.set_tcp_settings(tcp))
}

async fn fred_client(url: &str) -> Result<fred::clients::Client, Error> {
    use fred::types::config::{Config, TcpConfig};

    let client = fred::types::Builder::from_config(Config::from_url(url)?)
        .with_connection_config(|connection| {
            connection.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
        })
        .build()?;
    client.init().await?;
    Ok(client)
}

/// Declares keyspaces that differ only in their options at run time, and their peers.
macro_rules! keyspaces {
    ($($peer:ident: $keys:ident),+ $(,)?) => {$(
        /// Shopping carts.
        #[derive(Keyspace)]
        #[keyspace(prefix = "cart", ttl = 3600)]
        struct $keys {
            #[key("user:{id}")]
            user: fn(id: u64) -> Json<Cart>,
        }

        #[derive(Clone)]
        struct $peer;

        impl Peer for $peer {
            async fn get(&mut self, user: u64) -> Result<Cart, Error> {
                $keys::user(user).get_json().await?.ok_or_else(missing)
            }

            async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
                Ok($keys::user(cart.user).set_json(cart).await?)
            }
        }
    )+};
}

keyspaces!(TypedGet: GetKeys, TypedOneLane: OneLane, TypedTwoLanes: TwoLanes, TypedFourLanes: FourLanes);

/// Shopping carts.
#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = 3600)]
struct CartKeys {
    #[key("user:{id}")]
    user: fn(id: u64) -> Json<Cart>,
}

#[derive(Clone)]
struct Typed;

impl Peer for Typed {
    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        CartKeys::user(user).get_json().await?.ok_or_else(missing)
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        Ok(CartKeys::user(cart.user).set_json(cart).await?)
    }

    async fn fill(&mut self, user: u64) -> Result<Cart, Error> {
        Ok(CartKeys::user(user).get_or_set_json(|| async { Cart::of(user) }).await?)
    }
}

/// The crate `cached`, with its asynchronous store on one shared connection. It wraps values in an
/// envelope and has its own keys.
#[derive(Clone)]
struct Cached(Arc<cached::AsyncRedisCache<String, Cart>>);

impl Cached {
    async fn connect(url: &str) -> Result<Self, Error> {
        let store = cached::AsyncRedisCache::builder("cached:").ttl(Duration::from_secs(TTL));
        let store = Arc::new(store.connection_string(url).build().await?);
        for user in FIRST_ID..FIRST_ID + IDS {
            store.async_cache_set(key(user), Cart::of(user)).await?;
        }
        Ok(Self(store))
    }
}

impl Peer for Cached {
    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        self.0.async_cache_get(&key(user)).await?.ok_or_else(missing)
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        self.0.async_cache_set(key(cart.user), cart.clone()).await?;
        Ok(())
    }

    async fn fill(&mut self, user: u64) -> Result<Cart, Error> {
        Ok(self.0.async_cache_get_or_set_with(key(user), || async { Cart::of(user) }).await?)
    }
}

fn missing() -> Error {
    "a stored value is missing".into()
}

fn key(user: u64) -> String {
    format!("cart:user:{user}")
}

fn get_command(user: u64) -> redis::Cmd {
    let mut command = redis::cmd("GET");
    command.arg(key(user));
    command
}

fn set_command(user: u64) -> redis::Cmd {
    let mut command = redis::cmd("SET");
    command.arg(key(user));
    command
}

async fn get_by_hand(connection: &mut impl ConnectionLike, user: u64) -> Result<Cart, Error> {
    let bytes: Option<Vec<u8>> = get_command(user).query_async(connection).await?;
    Ok(serde_json::from_slice(&bytes.ok_or_else(missing)?)?)
}

async fn set_by_hand(connection: &mut impl ConnectionLike, cart: &Cart) -> Result<(), Error> {
    let json = serde_json::to_vec(cart)?;
    Ok(set_command(cart.user).arg(json).arg("EX").arg(TTL).query_async(connection).await?)
}

#[derive(Clone)]
struct ByHand<C>(C);

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Peer for ByHand<C> {
    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        get_by_hand(&mut self.0, user).await
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        set_by_hand(&mut self.0, cart).await
    }

    async fn fill(&mut self, user: u64) -> Result<Cart, Error> {
        let bytes: Option<Vec<u8>> = get_command(user).query_async(&mut self.0).await?;
        if let Some(bytes) = bytes {
            return Ok(serde_json::from_slice(&bytes)?);
        }
        let cart = Cart::of(user);
        set_by_hand(&mut self.0, &cart).await?;
        Ok(cart)
    }
}

/// The driver, used as economically as possible.
#[derive(Clone)]
struct Lean(MultiplexedConnection);

impl Peer for Lean {
    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        match self.0.send_packed_command(&get_command(user)).await? {
            redis::Value::BulkString(bytes) => Ok(serde_json::from_slice(&bytes)?),
            other => Err(format!("unexpected reply to GET: {other:?}").into()),
        }
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        let mut command = redis::Cmd::with_capacity(5, 320);
        command.arg("SET").arg(key(cart.user));
        serde_json::to_writer(command.writer_for_next_arg(), cart)?;
        command.arg("EX").arg(TTL);
        match self.0.send_packed_command(&command).await? {
            redis::Value::Okay => Ok(()),
            other => Err(format!("unexpected reply to SET: {other:?}").into()),
        }
    }
}

#[derive(Clone)]
struct StockBb8(bb8::Pool<bb8_redis::RedisConnectionManager>);

async fn stock_bb8(url: &str, size: u32) -> Result<StockBb8, Error> {
    let manager = bb8_redis::RedisConnectionManager::new(driver_info(url)?)?;
    Ok(StockBb8(bb8::Pool::builder().max_size(size).build(manager).await?))
}

impl Peer for StockBb8 {
    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        get_by_hand(&mut *self.0.get().await?, user).await
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        set_by_hand(&mut *self.0.get().await?, cart).await
    }
}

/// A bb8 pool used only to find connections: a clone of the connection is shared, and the pool's
/// connection is released before the request.
#[derive(Clone)]
struct ClonedOut(bb8::Pool<bb8_redis::RedisConnectionManager>);

impl Peer for ClonedOut {
    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        let mut connection = self.0.get().await?.clone();
        get_by_hand(&mut connection, user).await
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        let mut connection = self.0.get().await?.clone();
        set_by_hand(&mut connection, cart).await
    }
}

#[derive(Clone)]
struct Deadpool(deadpool_redis::Pool);

impl Peer for Deadpool {
    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        get_by_hand(&mut self.0.get().await?, user).await
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        set_by_hand(&mut self.0.get().await?, cart).await
    }
}

#[derive(Clone)]
struct Fred(fred::clients::Client);

impl Peer for Fred {
    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        let bytes: Option<fred::bytes::Bytes> = self.0.get(key(user)).await?;
        Ok(serde_json::from_slice(&bytes.ok_or_else(missing)?)?)
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        let (json, expiry) = (serde_json::to_string(cart)?, fred::types::Expiration::EX(TTL as i64));
        Ok(self.0.set(key(cart.user), json, Some(expiry), None, false).await?)
    }
}

#[derive(Clone)]
struct Rustis(rustis::client::Client);

impl Peer for Rustis {
    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        let bytes: Option<rustis::resp::BulkString> = self.0.get(key(user)).await?;
        Ok(serde_json::from_slice(bytes.ok_or_else(missing)?.as_bytes())?)
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        let json = serde_json::to_string(cart)?;
        self.0.set_with_options(key(cart.user), json, None, SetExpiration::Ex(TTL)).await?;
        Ok(())
    }
}
