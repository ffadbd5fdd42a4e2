use redis_keyspace::{Keyspace, List, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "jobs", ttl = none)]
pub struct JobKeys {
    #[key(trim = "100")]
    waiting: fn(queue: u64) -> List<Text>,
}

fn main() {}
