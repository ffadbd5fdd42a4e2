//! A TTL is given in seconds instead of as a `Duration`.

use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1d")]
struct PageKeys {
    title: fn(id: u64) -> Text,
}

async fn save(id: u64) -> redis_keyspace::Result<()> {
    PageKeys::title(id).set("A page").ttl(60).await
}

fn main() {}
