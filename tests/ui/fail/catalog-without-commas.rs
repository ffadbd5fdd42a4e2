//! The keyspaces of a catalog are not separated by commas.

use redis_keyspace::{Keyspace, Text, catalog};

#[derive(Keyspace)]
#[keyspace(prefix = "session", ttl = "1d")]
struct SessionKeys {
    #[key("{user}:{device}")]
    session: fn(user: u64, device: &str) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1d")]
struct PageKeys {
    title: fn(id: u64) -> Text,
}

catalog!(CATALOG = [
    SessionKeys
    PageKeys
]);

fn main() {}
