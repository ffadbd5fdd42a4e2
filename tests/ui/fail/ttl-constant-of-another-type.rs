use redis_keyspace::{Keyspace, Text};

const TTL: i32 = 3600;
const ZERO: u64 = 0;

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = TTL)]
struct CartKeys {
    user: fn(id: u64) -> Text,
    #[key(ttl = ZERO)]
    page: fn(id: u64) -> Text,
    #[key(ttl = "1h".to_owned())]
    text: fn(id: u64) -> Text,
}

fn main() {}
