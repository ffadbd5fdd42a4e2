use redis_keyspace::{Keyspace, Set};

#[derive(Keyspace)]
#[keyspace(prefix = "room", ttl = none)]
pub struct RoomKeys {
    #[key(renew = "write")]
    online: fn(id: u64) -> Set<u64>,
}

fn main() {}
