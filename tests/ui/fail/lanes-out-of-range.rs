use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", lanes = 0)]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
