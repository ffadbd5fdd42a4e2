//! The driver by hand, on a shared connection or in a pool: keys from `format!`, JSON from
//! serde_json.

use bb8_redis::bb8;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, ConnectionInfo, IntoConnectionInfo, Pipeline, RedisWrite};
use redis_keyspace::bytes::Bytes;
use redis_keyspace_benches::{Cart, Error, LARGE_KEY, TTL};

use crate::measure::{Op, Peer};
use crate::peer::{key, missing};
use crate::write::{ALL_OPS, Write, by_hand};

/// Returns where to connect. Without `nodelay`, that is the driver's default.
pub fn info(url: &str, nodelay: bool) -> Result<ConnectionInfo, Error> {
    let info = url.into_connection_info()?;
    let tcp = info.tcp_settings().clone().set_nodelay(nodelay);
    Ok(info.set_tcp_settings(tcp))
}

/// Returns a client that connects with TLS.
#[cfg(feature = "tls")]
pub fn tls_client(server: &redis_keyspace_benches::Server, nodelay: bool) -> Result<redis::Client, Error> {
    let info = info(&format!("rediss://127.0.0.1:{}", server.tls_port()), nodelay)?;
    let root_cert = Some(server.ca().as_bytes().to_vec());
    Ok(redis::Client::build_with_tls(info, redis::TlsCertificates { client_tls: None, root_cert })?)
}

pub fn set_command(user: u64) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg(key(user));
    command
}

fn get_command(user: u64) -> Cmd {
    let mut command = redis::cmd("GET");
    command.arg(key(user));
    command
}

async fn get(connection: &mut impl ConnectionLike, user: u64) -> Result<Cart, Error> {
    let bytes: Option<Vec<u8>> = get_command(user).query_async(connection).await?;
    Ok(serde_json::from_slice(&bytes.ok_or_else(missing)?)?)
}

async fn set(connection: &mut impl ConnectionLike, cart: &Cart) -> Result<(), Error> {
    let json = serde_json::to_vec(cart)?;
    Ok(set_command(cart.user).arg(json).arg("EX").arg(TTL).query_async(connection).await?)
}

fn carts(values: Vec<Option<Vec<u8>>>) -> Result<Vec<Cart>, Error> {
    let cart = |bytes: Option<Vec<u8>>| Ok(serde_json::from_slice(&bytes.ok_or_else(missing)?)?);
    values.into_iter().map(cart).collect()
}

#[derive(Clone)]
pub struct ByHand<C>(pub C);

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Peer for ByHand<C> {
    const OPS: &'static [Op] = &ALL_OPS;

    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        get(&mut self.0, user).await
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        set(&mut self.0, cart).await
    }

    async fn fill(&mut self, user: u64) -> Result<Cart, Error> {
        let bytes: Option<Vec<u8>> = get_command(user).query_async(&mut self.0).await?;
        if let Some(bytes) = bytes {
            return Ok(serde_json::from_slice(&bytes)?);
        }
        let cart = Cart::of(user);
        set(&mut self.0, &cart).await?;
        Ok(cart)
    }

    async fn del(&mut self, user: u64) -> Result<(), Error> {
        Ok(redis::cmd("DEL").arg(key(user)).query_async(&mut self.0).await?)
    }

    async fn mget(&mut self, users: &[u64]) -> Result<Vec<Cart>, Error> {
        let keys: Vec<String> = users.iter().map(|user| key(*user)).collect();
        carts(redis::cmd("MGET").arg(keys).query_async(&mut self.0).await?)
    }

    async fn batch(&mut self, users: &[u64]) -> Result<Vec<Cart>, Error> {
        let mut pipeline = Pipeline::with_capacity(users.len());
        for user in users {
            pipeline.get(key(*user));
        }
        carts(pipeline.query_async(&mut self.0).await?)
    }

    async fn large_get(&mut self) -> Result<usize, Error> {
        let bytes: Option<Vec<u8>> = redis::cmd("GET").arg(LARGE_KEY).query_async(&mut self.0).await?;
        Ok(bytes.ok_or_else(missing)?.len())
    }

    async fn large_set(&mut self, value: &Bytes) -> Result<(), Error> {
        let mut command = redis::cmd("SET");
        command.arg(LARGE_KEY).arg(&value[..]).arg("EX").arg(TTL);
        Ok(command.query_async(&mut self.0).await?)
    }

    async fn write(&mut self, write: Write, user: u64, element: u64) -> Result<(), Error> {
        by_hand::write(&mut self.0, write, user, element).await
    }
}

/// The driver, used as economically as possible.
#[derive(Clone)]
pub struct Lean(pub MultiplexedConnection);

impl Peer for Lean {
    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        match self.0.send_packed_command(&get_command(user)).await? {
            redis::Value::BulkString(bytes) => Ok(serde_json::from_slice(&bytes)?),
            other => Err(format!("unexpected reply to GET: {other:?}").into()),
        }
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        let mut command = Cmd::with_capacity(5, 320);
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
pub struct StockBb8(pub bb8::Pool<bb8_redis::RedisConnectionManager>);

impl StockBb8 {
    pub async fn connect(info: ConnectionInfo, size: u32) -> Result<Self, Error> {
        let manager = bb8_redis::RedisConnectionManager::new(info)?;
        Ok(Self(bb8::Pool::builder().max_size(size).build(manager).await?))
    }
}

impl Peer for StockBb8 {
    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        get(&mut *self.0.get().await?, user).await
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        set(&mut *self.0.get().await?, cart).await
    }
}

/// A bb8 pool used only to find connections: a clone of the connection is shared, and the pool's
/// connection is released before the request.
#[derive(Clone)]
pub struct ClonedOut(pub bb8::Pool<bb8_redis::RedisConnectionManager>);

impl Peer for ClonedOut {
    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        let mut connection = self.0.get().await?.clone();
        get(&mut connection, user).await
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        let mut connection = self.0.get().await?.clone();
        set(&mut connection, cart).await
    }
}

#[derive(Clone)]
pub struct Deadpool(pub deadpool_redis::Pool);

impl Deadpool {
    pub fn connect(info: ConnectionInfo, size: usize) -> Result<Self, Error> {
        let manager = deadpool_redis::Manager::new(info)?;
        let runtime = deadpool_redis::Runtime::Tokio1;
        Ok(Self(deadpool_redis::Pool::builder(manager).max_size(size).runtime(runtime).build()?))
    }
}

impl Peer for Deadpool {
    async fn get(&mut self, user: u64) -> Result<Cart, Error> {
        get(&mut self.0.get().await?, user).await
    }

    async fn set(&mut self, cart: &Cart) -> Result<(), Error> {
        set(&mut self.0.get().await?, cart).await
    }
}
