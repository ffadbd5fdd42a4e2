use redis_keyspace::{Keyspace, List, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1h", renew = "write")]
pub struct PageKeys {
    visits: fn(id: u64) -> List<u64>,
    #[key(renew = "creation")]
    title: fn(id: u64) -> Text,
}

fn main() {}
