//! A command is awaited a second time.

use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1d")]
struct PageKeys {
    title: fn(id: u64) -> Text,
}

async fn has_changed(id: u64) -> redis_keyspace::Result<bool> {
    let get = PageKeys::title(id).get();
    let before = get.await?;
    let after = get.await?;
    Ok(before != after)
}

fn main() {}
