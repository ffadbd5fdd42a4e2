use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[key(prefix = "cart")]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
