//! The enum of parsed keys implements neither `Eq` nor `Hash`.

use std::collections::HashSet;

use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<String>>,
}

fn distinct(log: &str) -> usize {
    let mut seen: HashSet<ParsedCartKeys> = HashSet::new();
    for line in log.lines() {
        if let Ok(key) = CartKeys::parse(line) {
            seen.insert(key);
        }
    }
    seen.len()
}

fn main() {}
