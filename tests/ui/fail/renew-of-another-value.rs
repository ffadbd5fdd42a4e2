use redis_keyspace::{Keyspace, List};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1h", renew = "read")]
pub struct PageKeys {
    visits: fn(id: u64) -> List<u64>,
}

fn main() {}
