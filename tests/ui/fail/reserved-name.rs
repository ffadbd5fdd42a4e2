use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    parse: fn(id: u64) -> Text,
    #[key("who:{id}")]
    identify: fn(id: u64) -> Text,
    from_captures: Text,
    #[allow(non_snake_case)]
    META: Text,
    __user: fn(id: u64) -> Text,
}

fn main() {}
