use redis_keyspace::{Keyspace, Raw, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("{path}:meta")]
    meta: fn(path: Raw<&str>) -> Text,
}

fn main() {}
