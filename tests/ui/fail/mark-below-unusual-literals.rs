use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key(r"größe:{ids}")]
    raw: fn(id: u64) -> Text,

    #[key("\t\u{e4}:{ids}")]
    escaped: fn(id: u64) -> Text,
}

fn main() {}
