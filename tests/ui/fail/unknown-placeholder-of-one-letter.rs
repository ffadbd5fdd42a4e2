use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("cell:{x}:{y}")]
    cell: fn(a: u64, b: u64) -> Text,

    #[key("row:{x}")]
    row: fn(y: u64) -> Text,
}

fn main() {}
