use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", dedicated_server)]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
