use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("user:{r#type}")]
    user: fn(r#type: u64) -> Text,
}

fn main() {}
