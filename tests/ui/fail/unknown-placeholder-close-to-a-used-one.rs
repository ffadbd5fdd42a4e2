use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("user:{id}:{ids}")]
    user: fn(id: u64) -> Text,
}

fn main() {}
