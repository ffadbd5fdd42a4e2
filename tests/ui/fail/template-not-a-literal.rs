use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    #[key(TEMPLATE)]
    featured: Text,
}

const TEMPLATE: &str = "featured";

fn main() {}
