use redis_keyspace::{Keyspace, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "page", ttl = "1h")]
pub struct PageKeys {
    #[key(renew = "write")]
    title: fn(id: u64) -> Text,
}

fn main() {}
