use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", shared_connections = 0)]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
