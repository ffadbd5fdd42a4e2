use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "3600")]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
