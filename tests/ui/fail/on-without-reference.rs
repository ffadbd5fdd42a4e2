//! `on` takes a reference to the handle.

use redis_keyspace::{Keyspace, Redis, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1d")]
struct PageKeys {
    title: fn(id: u64) -> Text,
}

async fn read(id: u64) -> redis_keyspace::Result<Option<String>> {
    let redis = Redis::embedded();
    PageKeys::title(id).get().on(redis).await
}

fn main() {}
