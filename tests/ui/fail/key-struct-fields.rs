use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("user:{id}")]
    user: Text,
    #[key("page:{page}")]
    page: fn(id: u64) -> Text,
    #[key("name")]
    name: fn(id: u64) -> Text,
}

fn main() {}
