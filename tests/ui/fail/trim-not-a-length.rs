use redis_keyspace::{Keyspace, Stream, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "jobs", ttl = none)]
pub struct JobKeys {
    #[key(trim = 1000)]
    waiting: fn(queue: u64) -> Stream<Text>,
    #[key(trim = "0")]
    log: fn(day: u64) -> Stream<Text>,
}

fn main() {}
