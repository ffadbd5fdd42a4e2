//! `set_many` is given keys of two keyspaces.

use redis_keyspace::{Key, Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1d")]
struct PageKeys {
    title: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "user", ttl = "1d")]
struct UserKeys {
    name: fn(id: u64) -> Text,
}

async fn save(id: u64) -> redis_keyspace::Result<()> {
    Key::set_many([(PageKeys::title(id), "A page"), (UserKeys::name(id), "Ada")]).await
}

fn main() {}
