use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user_1: fn(id: u64) -> Text,
    user1: fn(id: u64) -> Text,
}

fn main() {}
