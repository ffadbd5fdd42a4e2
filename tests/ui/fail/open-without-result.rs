//! The `Result` of `Redis::open` is not handled.

use redis_keyspace::{Keyspace, Redis, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1d")]
struct PageKeys {
    title: fn(id: u64) -> Text,
}

async fn run() -> redis_keyspace::Result<()> {
    Redis::open("redis://localhost").install();
    PageKeys::title(7).set("A page").await
}

fn main() {}
