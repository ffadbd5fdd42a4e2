use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", exclusive_connections = 1025)]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
