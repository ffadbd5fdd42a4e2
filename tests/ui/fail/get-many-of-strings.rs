//! `get_many` is given strings instead of keys.

use redis_keyspace::{Key, Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1d")]
struct PageKeys {
    title: fn(id: u64) -> Text,
}

async fn titles() -> redis_keyspace::Result<Vec<Option<String>>> {
    let first = PageKeys::title(1).get().await?;
    let mut titles = Key::get_many(["page:title:2", "page:title:3"]).await?;
    titles.push(first);
    Ok(titles)
}

fn main() {}
