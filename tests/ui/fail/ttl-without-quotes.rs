use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = 30m)]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
