use redis_keyspace::{Keyspace, Text, catalog};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", tenant = "t", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Text,
}

// Its prefix contains the segment of a tenant.
#[derive(Keyspace)]
#[keyspace(prefix = "t:acme", ttl = "1h")]
struct GlobalKeys {
    text: fn(id: u64) -> Text,
}

// Matches every key with three segments.
#[derive(Keyspace)]
#[keyspace(prefix = none, ttl = "1h")]
struct AnyKeys {
    #[key("{a}:{b}:{c}")]
    text: fn(a: &str, b: &str, c: &str) -> Text,
}

catalog!(ONE = [CartKeys, GlobalKeys]);
catalog!(OTHER = [CartKeys, AnyKeys]);

fn main() {}
