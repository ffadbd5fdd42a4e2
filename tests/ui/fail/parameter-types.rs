use redis_keyspace::{Keyspace, Text};
use std::collections::HashMap;

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    tuple: fn(id: (u64, u64)) -> Text,
    list: fn(ids: Vec<u64>) -> Text,
    map: fn(ids: HashMap<String, String>) -> Text,
    option: fn(id: Option<u64>) -> Text,
    slice: fn(ids: &[u64]) -> Text,
}

fn main() {}
