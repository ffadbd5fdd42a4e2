use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "40000d")]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
