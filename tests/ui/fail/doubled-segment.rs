use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "shop:cart", ttl = "1h")]
struct CartKeys {
    #[key("cart:{id}")]
    user: fn(id: u64) -> Text,
    cart: fn(id: u64) -> Text,
    #[key("shop:{id}")]
    shop: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "shop:shop:page", ttl = "1h")]
struct PageKeys {
    title: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "a:a", ttl = "1h", allow_doubled_prefix)]
struct MeantKeys {
    #[key("a:{id}")]
    title: fn(id: u64) -> Text,
}

fn main() {}
