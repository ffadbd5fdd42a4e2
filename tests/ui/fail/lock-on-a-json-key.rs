//! `lock` is called on a key of the kind `Json`.

use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<String>>,
}

async fn add(id: u64, item: String) -> redis_keyspace::Result<()> {
    let guard = CartKeys::user(id).lock().await?;
    CartKeys::user(id).update(|items| items.push(item.clone())).await?;
    guard.release().await
}

fn main() {}
