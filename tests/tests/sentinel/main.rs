//! Masters behind sentinels: discovery, failovers, and sentinels that fail or are cut off.

mod access;
mod chaos;
mod commands;
mod failovers;
mod outages;
mod scripted;

use std::time::Duration;

use redis_keyspace::stats::SentinelStats;
use redis_keyspace::{Channel, Counter, Keyspace, Lock, Redis, RedisBuilder, Text};
use redis_keyspace_tests::{Monitor, PATIENCE, RealSentinels, eventually, unique_namespace, within};

#[derive(Keyspace)]
#[keyspace(prefix = "shop", ttl = "1h")]
pub struct ShopKeys {
    views: fn(id: u64) -> Counter,
    page: fn(id: u64) -> Text,
    lock: fn(id: u64) -> Lock,
    news: fn(id: u64) -> Channel<Text>,
}

/// The timeout of commands, long enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Returns a builder with these sentinels, by their indexes. The others must be learned.
fn builder(servers: &RealSentinels, sentinels: &[usize]) -> RedisBuilder {
    let addresses = sentinels.iter().map(|&nth| servers.sentinel_address(nth).to_string());
    let builder = Redis::builder().sentinel(RealSentinels::MASTER, addresses).unwrap().timeout(LIMIT);
    builder.namespace(unique_namespace()).unwrap()
}

fn on<F: Future<Output = ()>>(builder: RedisBuilder, body: impl FnOnce(Redis) -> F) {
    within(PATIENCE, async {
        let redis = builder.build().unwrap();
        redis.scope(body(redis.clone())).await;
        redis.close().await;
    });
}

/// What the handle knows about the sentinels.
fn sentinels(redis: &Redis) -> SentinelStats {
    redis.stats().connections[0].sentinels.clone().expect("sentinels name the server")
}

/// Waits until the library knows this node as the master.
async fn follows(redis: &Redis, servers: &RealSentinels, node: usize) {
    let address = servers.node_address(node).to_string();
    eventually("the new master is known", async || sentinels(redis).master.as_ref() == Some(&address)).await;
}

/// Waits until that many sentinels answer.
async fn answer(redis: &Redis, number: usize) {
    eventually("the sentinels are counted", async || sentinels(redis).answering == number).await;
}

/// Records the writes of this handle on a node.
fn writes(servers: &RealSentinels, node: usize) -> Monitor {
    Monitor::start(servers.node(node), |executed| {
        executed.words.iter().any(|word| word.contains(":shop:"))
            && matches!(executed.words[0].as_str(), "SET" | "INCRBY" | "INCR")
    })
    .unwrap()
}

/// Writes until it works, and then some more.
async fn write_again(id: u64) {
    eventually("writes work again", async || ShopKeys::page(id).set("x").await.is_ok()).await;
    for _ in 0..100 {
        ShopKeys::views(id).incr().await.unwrap();
    }
}
