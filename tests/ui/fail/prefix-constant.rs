use redis_keyspace::{Keyspace, Text};

const PREFIX: &str = "cart";

#[derive(Keyspace)]
#[keyspace(prefix = PREFIX, ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
