use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: for<'a> fn(name: &'a str) -> Text,
}

fn main() {}
