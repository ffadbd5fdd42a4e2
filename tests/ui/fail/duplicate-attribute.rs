use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
#[keyspace(db = 1, ttl = "2h")]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
