use redis_keyspace::{Keyspace, Text, catalog};

#[derive(Keyspace)]
#[keyspace(prefix = none, server = "accounts", ttl = "1h")]
struct AccountKeys {
    #[key("user:{id}")]
    name: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = none, server = "shop", ttl = "1h")]
struct ShopKeys {
    #[key("user:{name}")]
    address: fn(name: &str) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "user", server = "shop", dedicated_server, ttl = "1h")]
struct DedicatedKeys {
    name: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "user", server = "shop", ttl = "1h")]
struct NeighbourKeys {
    address: fn(id: u64) -> Text,
}

// Different server names alone do not separate keyspaces.
catalog!(NAMES = [AccountKeys, ShopKeys]);

// The same server.
catalog!(SAME = [DedicatedKeys, NeighbourKeys]);

fn main() {}
