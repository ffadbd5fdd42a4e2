use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1h", on_unavailable = "none")]
pub struct PageKeys {
    title: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "other", ttl = "1h", on_unavailable = miss)]
pub struct OtherKeys {
    title: fn(id: u64) -> Text,
}

fn main() {}
