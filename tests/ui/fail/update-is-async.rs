//! The closure of `update` is async.

use redis_keyspace::{Json, Keyspace};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = "1h")]
struct CartKeys {
    user: fn(id: u64) -> Json<Vec<String>>,
}

async fn suggestion() -> String {
    "lamp".to_owned()
}

async fn suggest(id: u64) -> redis_keyspace::Result<()> {
    CartKeys::user(id).update(|items| async move { items.push(suggestion().await) }).await?;
    Ok(())
}

fn main() {}
