//! Other clients, each used as its documentation shows.

use std::sync::Arc;
use std::time::Duration;

use cached::ConcurrentCachedAsync as _;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::Expiration;
use fred::types::config::{Config, TcpConfig};
use redis_keyspace_benches::{Cart, Error, FIRST_ID, IDS, TTL};
use rustis::commands::{SetExpiration, StringCommands};

use crate::measure::{Op, Peer};
use crate::peer::{key, missing};

/// The crate `cached`, with its asynchronous store on one shared connection. It wraps values in an
/// envelope and has its own keys.
#[derive(Clone)]
pub struct Cached(Arc<cached::AsyncRedisCache<String, Cart>>);

impl Cached {
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let store = cached::AsyncRedisCache::builder("cached:").ttl(Duration::from_secs(TTL));
        let store = Arc::new(store.connection_string(url).build().await?);
        for user in FIRST_ID..FIRST_ID + IDS {
            store.async_cache_set(key(user), Cart::of(user)).await?;
        }
        Ok(Self(store))
    }
}

impl Peer for Cached {
    const OPS: &'static [Op] = &[Op::Get, Op::Set, Op::Fill];

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

#[derive(Clone)]
pub struct Fred(fred::clients::Client);

impl Fred {
    /// Connects. Without `nodelay`, the configuration is fred's default.
    pub async fn connect(url: &str, nodelay: bool) -> Result<Self, Error> {
        let mut builder = fred::types::Builder::from_config(Config::from_url(url)?);
        if nodelay {
            builder.with_connection_config(|connection| {
                connection.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
            });
        }
        let client = builder.build()?;
        client.init().await?;
        Ok(Self(client))
    }
}

impl Peer for Fred {
    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        let bytes: Option<fred::bytes::Bytes> = self.0.get(key(user)).await?;
        Ok(serde_json::from_slice(&bytes.ok_or_else(missing)?)?)
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        let (json, expiry) = (serde_json::to_string(cart)?, Expiration::EX(TTL.cast_signed()));
        Ok(self.0.set(key(cart.user), json, Some(expiry), None, false).await?)
    }
}

#[derive(Clone)]
pub struct Rustis(pub rustis::client::Client);

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
