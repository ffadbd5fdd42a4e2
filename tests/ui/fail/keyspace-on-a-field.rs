use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[keyspace(ttl = "2h")]
    user: fn(id: u64) -> Text,
}

fn main() {}
