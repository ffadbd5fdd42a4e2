use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", lanes = 2, exclusives = 8)]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
