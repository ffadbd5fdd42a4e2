use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", allow_doubled_prefix = true)]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
