//! Clusters of several masters: routing, redirections, operations on many keys, scans, failovers
//! and changes of the cluster.

mod changes;
mod chaos;
mod commands;
mod cut_off;
mod failovers;
mod foreign_keys;
mod health;
mod ipv6;
mod moving_slots;
mod permissions;
mod plain_login;
mod redirections;
mod refreshes;
mod refusals;
mod replaced_masters;
mod reused_addresses;
mod scans;
mod silent_nodes;
mod slow_masters;

use std::time::Duration;

use redis_keyspace::{
    Bytes, Counter, Hash, Json, Keyspace, Lock, Once, Redis, RedisBuilder, Set, SortedSet, Text,
};
use redis_keyspace_tests::{PATIENCE, RealCluster, shared_cluster, unique_namespace, within};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
pub struct CartKeys {
    #[key("user:{id}", hash_tag = id)]
    user: fn(id: u64) -> Json<Vec<u64>>,
    #[key("user:{id}:views", hash_tag = id)]
    views: fn(id: u64) -> Counter,
    #[key("user:{id}:lock", hash_tag = id)]
    lock: fn(id: u64) -> Lock,
    /// All items of a cart are in one slot.
    #[key("item:{cart}:{id}", hash_tag = cart)]
    item: fn(cart: u64, id: u64) -> Text,
    page: fn(id: u64) -> Text,
    blob: fn(id: u64) -> Bytes,
    fans: fn(id: u64) -> Set<u64>,
    paid: fn(id: u64) -> Once<Text>,
    #[key("stock:{shop}:{id}", hash_tag = shop)]
    stock: fn(shop: u64, id: u64) -> Counter,
    #[key("prices:{shop}", hash_tag = shop)]
    prices: fn(shop: u64) -> Hash<u64, u64>,
    #[key("ranks:{shop}", hash_tag = shop)]
    ranks: fn(shop: u64) -> SortedSet<u64>,
    #[key("guests:{shop}", hash_tag = shop)]
    guests: fn(shop: u64) -> Set<u64>,
    #[key("kept:{id}", stale_for = "1m", negative_ttl = "10s")]
    kept: fn(id: u64) -> Text,
}

/// The timeout of commands, long enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

fn builder(cluster: &RealCluster) -> RedisBuilder {
    let builder = Redis::builder().url(&cluster.url()).unwrap().timeout(LIMIT);
    builder.namespace(unique_namespace()).unwrap()
}

/// Runs a test on the cluster that the tests of a process share.
fn on_cluster<F: Future<Output = ()>>(body: impl FnOnce(Redis) -> F) {
    on(builder(shared_cluster()), body);
}

fn on<F: Future<Output = ()>>(builder: RedisBuilder, body: impl FnOnce(Redis) -> F) {
    within(PATIENCE, async {
        let redis = builder.build().unwrap();
        redis.scope(body(redis.clone())).await;
        redis.close().await;
    });
}

/// Returns the slot of a key as the server stores it.
fn slot_of<V>(redis: &Redis, key: &redis_keyspace::Key<CartKeys, V>) -> u16 {
    let wire = redis.wire_key(key).unwrap();
    let tag = wire.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    slot(tag.unwrap_or(&wire))
}

/// The CRC16 of the specification, independent of the library.
fn slot(text: &str) -> u16 {
    let crc = text.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % 16_384
}
