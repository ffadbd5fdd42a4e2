use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("user:{}")]
    user: fn(id: u64) -> Text,
    #[key("user:$id")]
    shell: fn(id: u64) -> Text,
    #[key("user:{id:?}")]
    debug: fn(id: u64) -> Text,
    #[key("user/<id>")]
    route: fn(id: u64) -> Text,
}

fn main() {}
