use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace = "cart"]
struct CartKeys {
    #[key(ttl = "1h")]
    user: fn(id: u64) -> Text,
}

fn main() {}
