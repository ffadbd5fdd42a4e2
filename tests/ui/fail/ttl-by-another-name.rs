use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", expires = 3600)]
struct CartKeys {
    #[key("user:{id}", lifetime = "2h")]
    user: fn(id: u64) -> Text,
    #[key("page:{id}", EX = 60)]
    page: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(namespace = "page", database = 2, ttl = "1h", jitter = "10%")]
struct PageKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
