use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", retries = 1000)]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
