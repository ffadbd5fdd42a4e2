//! The clients under attack: the library, and bb8-redis as the usual alternative.

use std::future::Future;
use std::time::Duration;

use bb8_redis::{RedisConnectionManager, bb8};
use redis_keyspace::{Counter, Keyspace, Redis, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "chaos", ttl = none)]
struct Keys {
    cell: fn(id: u64) -> Text,
    // With a lifetime, so an increment needs a transaction.
    #[key(ttl = "1d")]
    count: fn(id: u64) -> Counter,
}

/// A client of Redis with the operations that the attacks use. After a failure, it is unknown
/// whether the command ran.
pub trait Client: Clone + Send + Sync + 'static {
    /// The name in the report.
    const NAME: &'static str;

    /// Creates a client of the server at this URL. `limit` is the timeout of a command. Connects on
    /// first use.
    fn new(url: &str, limit: Duration) -> impl Future<Output = Self> + Send;
    /// Reads a cell.
    fn get(&self, id: u64) -> impl Future<Output = Result<Option<String>, String>> + Send;
    /// Writes a cell.
    fn set(&self, id: u64, value: String) -> impl Future<Output = Result<(), String>> + Send;
    /// Increments a counter.
    fn incr(&self, id: u64) -> impl Future<Output = Result<i64, String>> + Send;
    /// Closes the client's connections.
    fn close(&self) -> impl Future<Output = ()> + Send;
    /// Creates handles of two programs, if the client has the promises of the library.
    fn programs(_url: &str, _limit: Duration) -> Option<[Redis; 2]> {
        None
    }
}

/// The library.
#[derive(Clone, Debug)]
pub struct Ours(pub Redis);

impl Client for Ours {
    const NAME: &'static str = "redis-keyspace";

    async fn new(url: &str, limit: Duration) -> Self {
        let builder = Redis::builder().url(url).expect("a valid URL").timeout(limit);
        Self(builder.connect_timeout(limit / 2).build().expect("valid options"))
    }

    /// The handles differ in an option, so they share no connections.
    fn programs(url: &str, limit: Duration) -> Option<[Redis; 2]> {
        Some([3, 4].map(|exclusive| {
            let builder = Redis::builder().url(url).expect("a valid URL").timeout(limit);
            let builder = builder.connect_timeout(limit / 2).exclusive_connections(exclusive);
            builder.build().expect("valid options")
        }))
    }

    async fn get(&self, id: u64) -> Result<Option<String>, String> {
        match id % 3 {
            0 => {
                let batch = self.0.batch((Keys::cell(id).get(), Keys::cell(id).exists()));
                batch.await.map(|(value, _)| value).map_err(|error| error.to_string())
            }
            _ => Keys::cell(id).get().on(&self.0).await.map_err(|error| error.to_string()),
        }
    }

    async fn set(&self, id: u64, value: String) -> Result<(), String> {
        match id % 3 {
            1 => {
                let transaction = self.0.transaction([Keys::cell(id).set(&value)]);
                transaction.await.map(drop).map_err(|error| error.to_string())
            }
            _ => Keys::cell(id).set(&value).on(&self.0).await.map_err(|error| error.to_string()),
        }
    }

    async fn incr(&self, id: u64) -> Result<i64, String> {
        Keys::count(id).incr().on(&self.0).await.map_err(|error| error.to_string())
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

/// A pool of bb8-redis with default settings, except for its timeouts.
#[derive(Clone, Debug)]
pub struct Stock(bb8::Pool<RedisConnectionManager>);

impl Stock {
    async fn ask<T: redis::FromRedisValue>(&self, command: redis::Cmd) -> Result<T, String> {
        let mut connection = self.0.get().await.map_err(|error| error.to_string())?;
        command.query_async(&mut *connection).await.map_err(|error| error.to_string())
    }
}

impl Client for Stock {
    const NAME: &'static str = "stock bb8-redis";

    async fn new(url: &str, limit: Duration) -> Self {
        let manager = RedisConnectionManager::new(url).expect("a valid URL");
        Self(bb8::Pool::builder().connection_timeout(limit).build_unchecked(manager))
    }

    async fn get(&self, id: u64) -> Result<Option<String>, String> {
        let mut command = redis::cmd("GET");
        command.arg(format!("chaos:cell:{id}"));
        self.ask(command).await
    }

    async fn set(&self, id: u64, value: String) -> Result<(), String> {
        let mut command = redis::cmd("SET");
        command.arg(format!("chaos:cell:{id}")).arg(value);
        self.ask(command).await
    }

    async fn incr(&self, id: u64) -> Result<i64, String> {
        let mut command = redis::cmd("INCRBY");
        command.arg(format!("chaos:count:{id}")).arg(1);
        self.ask(command).await
    }

    async fn close(&self) {}
}
