use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("user:{shoper}")]
    user: fn(shopper: u64) -> Text,
}

fn main() {}
