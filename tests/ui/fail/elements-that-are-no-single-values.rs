use redis_keyspace::{Counter, Geo, Hash, HyperLogLog, Keyspace, List, Set, SortedSet, Text};

pub struct Point {
    pub x: u32,
}

#[derive(Keyspace)]
#[keyspace(prefix = "room", ttl = "1h")]
pub struct RoomKeys {
    floats: fn(id: u64) -> Set<f64>,
    optional: fn(id: u64) -> List<Option<u64>>,
    counters: fn(id: u64) -> SortedSet<Counter>,
    nested: fn(id: u64) -> List<Set<u64>>,
    fields: fn(id: u64) -> Hash<f32, u64>,
    values: fn(id: u64) -> Hash<Text, Vec<u64>>,
    places: fn(id: u64) -> Geo<Option<u64>>,
    visitors: fn(id: u64) -> HyperLogLog<String>,
    points: fn(id: u64) -> Set<Point>,
}

fn main() {}
