use redis_keyspace::{Keyspace, Stream, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "jobs", ttl = none)]
pub struct JobKeys {
    waiting: fn(queue: u64) -> Stream<Text>,
    #[key(ttl = "1d")]
    log: fn(day: u64) -> Stream<Text>,
}

fn main() {}
