use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    name: fn(id: u64) -> Json<&'static str>,
}

fn main() {}
