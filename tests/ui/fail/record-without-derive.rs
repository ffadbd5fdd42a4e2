use redis_keyspace::{Keyspace, Record};

pub struct Profile {
    name: String,
}

#[derive(Keyspace)]
#[keyspace(prefix = "user", ttl = "1h")]
pub struct UserKeys {
    profile: fn(id: u64) -> Record<Profile>,
}

fn main() {}
