//! A key is made from a formatted string instead of with its constructor.

use redis_keyspace::{Json, Key, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<String>>,
}

async fn read(id: u64) -> redis_keyspace::Result<Option<Vec<String>>> {
    let key: Key<CartKeys, Json<Vec<String>>> = Key::new(format!("cart:user:{id}"));
    key.get().await
}

fn main() {}
