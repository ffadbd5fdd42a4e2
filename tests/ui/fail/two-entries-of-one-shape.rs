use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("user:{id}")]
    user: fn(id: u64) -> Text,

    #[key("user:{name}")]
    by_name: fn(name: &str) -> Text,
}

fn main() {}
