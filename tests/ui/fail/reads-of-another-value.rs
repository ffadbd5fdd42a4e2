use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", reads = "replicas")]
pub struct CartKeys {
    #[key("page:{id}", reads = true)]
    page: fn(id: u64) -> Text,
}

fn main() {}
