use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key("from:{a}-{b}")]
    both: fn(a: &str, b: u64) -> Text,

    #[key("digits:{id}0")]
    digits: fn(id: u64) -> Text,

    #[key("fine:{id}-{name}")]
    fine: fn(id: u64, name: &str) -> Text,
}

fn main() {}
