//! A key may not exist, but the value is used as if it always did.

use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1d")]
struct PageKeys {
    title: fn(id: u64) -> Text,
}

async fn title(id: u64) -> redis_keyspace::Result<String> {
    let title = PageKeys::title(id).get().await?;
    Ok(title)
}

fn main() {}
