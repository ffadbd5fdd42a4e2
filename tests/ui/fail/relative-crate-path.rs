use redis_keyspace::{self, Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", crate = self::redis_keyspace)]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
