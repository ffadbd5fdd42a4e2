use redis_keyspace::{Keyspace, Text, catalog};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = none, ttl = "1h")]
struct BillingKeys {
    #[key("cart:billing:{id}")]
    bill: fn(id: u64) -> Text,
}

catalog!(CATALOG = [CartKeys, BillingKeys]);

fn main() {}
