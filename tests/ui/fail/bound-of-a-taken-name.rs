use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", bound = CartKeys)]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1h", bound = ParsedPageKeys)]
struct PageKeys {
    body: fn(id: u64) -> Text,
}

fn main() {
    let _ = (CartKeys::user(7), PageKeys::body_keys());
}
