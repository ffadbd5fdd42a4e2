//! `scope` is given a closure instead of a future.

use redis_keyspace::{Keyspace, Redis, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1d")]
struct PageKeys {
    title: fn(id: u64) -> Text,
}

async fn run() -> redis_keyspace::Result<()> {
    let redis = Redis::embedded();
    redis.scope(|| async { PageKeys::title(7).set("A page").await }).await
}

fn main() {}
