use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace]
struct CartKeys {
    #[key(ttl = none)]
    user: fn(id: u64) -> Text,
}

fn main() {}
