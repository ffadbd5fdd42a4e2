use redis_keyspace::{Keyspace, Text, catalog};

#[derive(Keyspace)]
#[keyspace(prefix = "cart:item", ttl = "1h")]
struct ItemKeys {
    name: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "cart", db = 1, ttl = "1h")]
struct CartKeys {
    note: fn(id: u64) -> Text,
}

catalog!(CATALOG = [ItemKeys, CartKeys]);

fn main() {}
