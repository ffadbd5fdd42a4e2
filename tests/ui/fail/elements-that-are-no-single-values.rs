use redis_keyspace::{Counter, Keyspace, List, Set, SortedSet};

#[derive(Keyspace)]
#[keyspace(prefix = "room", ttl = "1h")]
pub struct RoomKeys {
    floats: fn(id: u64) -> Set<f64>,
    optional: fn(id: u64) -> List<Option<u64>>,
    counters: fn(id: u64) -> SortedSet<Counter>,
    nested: fn(id: u64) -> List<Set<u64>>,
}

fn main() {}
