use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", fills)]
pub struct CartKeys {
    #[key("user:{id}", fills = "no")]
    user: fn(id: u64) -> Text,
    #[key("page:{id}", fill = false)]
    page: fn(id: u64) -> Text,
    #[key("seen:{id}", fills = none)]
    seen: fn(id: u64) -> Text,
}

fn main() {}
