use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart" ttl = "1h")]
struct CartKeys {
    #[key("user:{id}" ttl = "2h")]
    user: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "page", server = "pages" dedicated_server, ttl = "1h")]
struct PageKeys {
    user: fn(id: u64) -> Text,
}

fn main() {}
