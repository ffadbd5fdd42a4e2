//! `incr` is called on a key of the kind `Text`.

use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1d")]
struct PageKeys {
    views: fn(id: u64) -> Text,
}

async fn view(id: u64) -> redis_keyspace::Result<()> {
    PageKeys::views(id).incr().await?;
    Ok(())
}

fn main() {}
