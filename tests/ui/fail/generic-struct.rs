use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys<T> {
    user: fn(id: u64) -> Json<T>,
}

fn main() {}
