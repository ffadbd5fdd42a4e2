use redis_keyspace::{Counter, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h", stale_for = "1d")]
pub struct CartKeys {
    views: fn(id: u64) -> Counter,
    #[key("seen:{id}", stale_for = "1h")]
    seen: fn(id: u64) -> Counter,
}

fn main() {}
