use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = ":", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
