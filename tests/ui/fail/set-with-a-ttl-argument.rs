//! The TTL is passed as the second argument of `set`.

use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<String>>,
}

async fn save(id: u64, items: &Vec<String>) -> redis_keyspace::Result<()> {
    CartKeys::user(id).set(items, 3600).await
}

fn main() {}
