use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", db = -1)]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
