use redis_keyspace::{Keyspace, Text, catalog};

#[derive(Keyspace)]
#[keyspace(prefix = none, ttl = "1h")]
struct LegacyKeys {
    #[key("{kind}:{id}")]
    any: fn(kind: &str, id: &str) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "session", ttl = "1h")]
struct SessionKeys {
    #[key("{user}")]
    token: fn(user: u64) -> Text,
}

catalog!(CATALOG = [LegacyKeys, SessionKeys]);

fn main() {}
