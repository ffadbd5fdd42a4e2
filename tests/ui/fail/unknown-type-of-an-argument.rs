use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(shopper: ShoperId) -> Text,
    basket: fn(shopper: &ShoperId) -> Text,
}

struct ShopperId;

fn main() {}
