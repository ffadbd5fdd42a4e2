use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys<'a> {
    user: fn(name: &'a str) -> Text,
}

fn main() {}
