use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(3600)]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
