//! Reads from replicas: of a cluster, behind sentinels, and configured ones.

mod closed;
mod cluster;
mod configured;
mod fresh;
mod sentinels;
mod stale;

use std::time::Duration;

use redis_keyspace::{Bitmap, Bytes, Counter, Keyspace, Redis, RedisBuilder, Text};
use redis_keyspace_tests::{Monitor, PATIENCE, RealServer, eventually, unique_namespace, within};

#[derive(Keyspace)]
#[keyspace(prefix = "shop", ttl = "1h", reads = "replica")]
pub struct ShopKeys {
    page: fn(id: u64) -> Text,
    views: fn(id: u64) -> Counter,
    #[key("photo:{id}", hash_tag = id)]
    photo: fn(id: u64) -> Bytes,
    #[key("seats:{id}", hash_tag = id)]
    seats: fn(id: u64) -> Bitmap,
    #[key("near:{id}", reads = "prefer_replica")]
    near: fn(id: u64) -> Text,
    #[key("fresh:{id}", reads = "master")]
    fresh: fn(id: u64) -> Text,
}

/// The timeout of commands, long enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

fn on<F: Future<Output = ()>>(builder: RedisBuilder, body: impl FnOnce(Redis) -> F) {
    within(PATIENCE, async {
        let builder = builder.timeout(LIMIT).namespace(unique_namespace()).unwrap();
        let redis = builder.build().unwrap();
        redis.scope(body(redis.clone())).await;
        redis.close().await;
    });
}

/// Records the reads of the keyspace on a server.
fn reads(server: &RealServer) -> Monitor {
    Monitor::start(server, |executed| {
        executed.words.iter().any(|word| word.contains(":shop:"))
            && matches!(executed.words[0].as_str(), "GET" | "MGET" | "EXISTS" | "PTTL" | "STRLEN")
    })
    .unwrap()
}

fn count(monitors: &[Monitor]) -> usize {
    monitors.iter().map(|monitor| monitor.executed().len()).sum()
}

/// The number of replicas that reads use.
fn in_sync(redis: &Redis) -> usize {
    let stats = redis.stats();
    let nodes = stats.connections.iter().flat_map(|pool| &pool.nodes);
    nodes.filter_map(|node| node.replica).filter(|replica| replica.in_sync).count()
}

/// Reads until so many replicas are in use.
async fn uses(redis: &Redis, replicas: usize) {
    eventually("the replicas are found", async || {
        ShopKeys::near(0).exists().await.unwrap();
        in_sync(redis) == replicas
    })
    .await;
}
